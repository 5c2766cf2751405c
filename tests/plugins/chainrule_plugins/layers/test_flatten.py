import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import flatten
from tests.oracles import assert_layer_equals

X = torch.randn(5, 2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dims", [(), (1,), (2,), (-2,), (1, 2), (1, -2), (-3, 2), (3, 3)])
def test_it_and_its_gradient_equal_torch(dims):
    layer = flatten(*dims)
    assert_layer_equals(layer, torch.nn.Flatten(*dims), X)
    assert layer.output_shape((2, 3, 4)) == torch.nn.Flatten(*dims)(X).shape[1:]


def test_an_unknown_size_stays_unknown():
    assert flatten().output_shape((2, None, 4)) == (None,)
    assert flatten(2).output_shape((None, 3, 4)) == (None, 12)


@pytest.mark.parametrize(
    ("dims", "name", "got"), [((0,), "start_dim", 0), ((4,), "start_dim", 4), ((1, 5), "end_dim", 5)]
)
def test_another_axis_than_one_of_an_example_is_refused(dims, name, got):
    with pytest.raises(ShapeError, match=rf"^flatten: {name} must be an axis of x \(N, .*\), got {got}\."):
        flatten(*dims).build(dtype=torch.float64)(X)


def test_axes_out_of_order_are_refused():
    with pytest.raises(ShapeError) as caught:
        flatten(3, 1).build(dtype=torch.float64)(X)
    assert str(caught.value) == (
        "flatten: start_dim must not be behind end_dim, 1, got 3 for an x of 4 axes. Exchange them."
    )
