import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import pixel_shuffle
from tests.oracles import assert_layer_equals

X = torch.randn(4, 18, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("factor", [1, 3])
def test_it_and_its_gradient_equal_torch(factor):
    layer, theirs = pixel_shuffle(factor), torch.nn.PixelShuffle(factor)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((18, 2, 3)) == theirs(X).shape[1:]


def test_an_unknown_size_stays_unknown():
    assert pixel_shuffle(2).output_shape((None, 4, None)) == (None, 8, None)
    assert pixel_shuffle(2).output_shape((4, None, 2)) == (1, None, 4)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ShapeError, match="x must have channels divisible by upscale_factor²=9, got 6"):
        pixel_shuffle(3).build()(torch.ones(1, 6, 2, 3))
