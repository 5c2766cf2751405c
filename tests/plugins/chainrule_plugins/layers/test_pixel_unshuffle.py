import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import pixel_unshuffle
from tests.oracles import assert_layer_equals

X = torch.randn(4, 2, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("factor", [1, 3])
def test_it_and_its_gradient_equal_torch(factor):
    layer, theirs = pixel_unshuffle(factor), torch.nn.PixelUnshuffle(factor)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((2, 6, 9)) == theirs(X).shape[1:]


def test_an_unknown_size_stays_unknown():
    assert pixel_unshuffle(2).output_shape((None, 4, None)) == (None, 2, None)
    assert pixel_unshuffle(2).output_shape((4, None, 2)) == (16, None, 1)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ShapeError, match="x must have height and width divisible by downscale_factor=3, got 8"):
        pixel_unshuffle(3).build()(torch.ones(1, 2, 6, 8))
