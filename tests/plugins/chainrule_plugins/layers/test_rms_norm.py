import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import rms_norm
from tests.oracles import assert_layer_equals

X = 1 + torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("shape", [4, (4,), [3, 4]])
@pytest.mark.parametrize("settings", [{}, {"eps": 0.1}, {"elementwise_affine": False}, {"eps": 0}], ids=str)
def test_it_and_its_gradients_equal_torch(shape, settings):
    assert_layer_equals(rms_norm(shape, **settings), torch.nn.RMSNorm(shape, **settings), X)


def test_without_eps_it_is_that_of_the_dtype():
    x = 1e-4 * X.float()
    torch.testing.assert_close(rms_norm(4).build()(x), torch.nn.RMSNorm(4)(x).detach())


def test_it_starts_as_torchs_does():
    torch.testing.assert_close(rms_norm((3, 4)).build().state_dict(), dict(torch.nn.RMSNorm((3, 4)).state_dict()))


def test_the_input_gradient_is_left_out_where_nobody_needs_it():
    layer = rms_norm(4)
    layer.build(dtype=torch.float64)
    layer.needs_input_grad = False
    layer.forward(X.unsqueeze(0))
    assert layer.backward(X.unsqueeze(0)) is None


def test_other_last_axes_are_refused():
    with pytest.raises(ShapeError, match=r"^rms_norm: x must have shape \(N, …, 3, 5\), got \(N, 3, 4\)\."):
        rms_norm((3, 5)).build(dtype=torch.float64)(X)
