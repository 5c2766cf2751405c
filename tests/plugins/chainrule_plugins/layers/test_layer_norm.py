import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import layer_norm
from tests.oracles import assert_layer_equals

X = 3 + 2 * torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("shape", [4, (4,), [3, 4]])
@pytest.mark.parametrize(
    "settings", [{}, {"eps": 0.1}, {"bias": False}, {"elementwise_affine": False}, {"eps": 0}], ids=str
)
def test_it_and_its_gradients_equal_torch(shape, settings):
    assert_layer_equals(layer_norm(shape, **settings), torch.nn.LayerNorm(shape, **settings), X)


def test_it_starts_as_torchs_does():
    ours, theirs = layer_norm((3, 4)).build().state_dict(), torch.nn.LayerNorm((3, 4)).state_dict()
    torch.testing.assert_close(ours, dict(theirs))


def test_a_far_mean_leaves_single_precision_its_digits():
    x = 1e4 + X.float()
    expected = torch.nn.functional.layer_norm(x.double(), (4,))
    torch.testing.assert_close(layer_norm(4).build()(x).double(), expected, rtol=0, atol=0.01)


def test_the_input_gradient_is_left_out_where_nobody_needs_it():
    layer = layer_norm(4)
    layer.build(dtype=torch.float64)
    layer.needs_input_grad = False
    layer.forward(X.unsqueeze(0))
    assert layer.backward(X.unsqueeze(0)) is None


@pytest.mark.parametrize("shape", [(), []])
def test_no_axes_are_refused(shape):
    with pytest.raises(ShapeError) as caught:
        layer_norm(shape)
    assert str(caught.value) == (
        f"layer_norm: normalized_shape must have at least one size, got {shape}. Pass 3, or (3, 4)."
    )


def test_other_last_axes_are_refused():
    with pytest.raises(ShapeError, match=r"^layer_norm: x must have shape \(N, …, 3, 5\), got \(N, 3, 4\)\."):
        layer_norm((3, 5)).build(dtype=torch.float64)(X)
