import numpy as np
import torch
from sklearn.datasets import load_digits

from chainrule.tasks import digits_mlp


def test_the_splits_are_all_rows_of_scikit_learn_each_once():
    images, classes = load_digits(return_X_y=True)
    splits = digits_mlp().splits(0)
    x, y = (torch.cat(parts).double().numpy() for parts in zip(*splits, strict=True))
    found = np.concatenate([x * 16, y[:, None]], 1)
    expected = np.concatenate([images, classes[:, None]], 1)
    assert sorted(found.tolist()) == sorted(expected.tolist())
    assert [len(x) for x, _ in splits] == [1078, 359, 360]
