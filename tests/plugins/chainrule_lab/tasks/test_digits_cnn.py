import torch
from sklearn.datasets import load_digits

from chainrule.tasks import digits_cnn


def test_images_keep_their_rows_and_columns():
    data = load_digits()
    images = {(tuple(image.flatten()), label) for image, label in zip(data.images, data.target, strict=True)}
    for x, y in digits_cnn().splits(0):
        assert x.shape[1:] == (1, 8, 8)
        assert {
            (tuple(row), label) for row, label in zip((x * 16).flatten(1).tolist(), y.tolist(), strict=True)
        } <= images


def test_the_network_halves_the_image_once():
    assert digits_cnn().network().build()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
