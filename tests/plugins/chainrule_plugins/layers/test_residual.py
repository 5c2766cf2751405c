import pytest
import torch

from chainrule import Module, ShapeError
from chainrule.activations import tanh
from chainrule.layers import linear, residual, sequential
from tests.oracles import assert_layer_equals


class RowSum(Module):
    """A module of one's own without a rule about shapes."""

    def forward(self, x):
        self.save_for_backward(x)
        return x.sum(-1, keepdim=True)

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        return grad_output.expand(x.shape)


class Theirs(torch.nn.Sequential):
    """The same by torch.nn."""

    def forward(self, x):
        return x + super().forward(x)


def test_it_and_its_gradients_equal_torch():
    x = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = Theirs(torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))
    assert_layer_equals(residual(linear(3, 6), tanh(), linear(6, 3)), theirs, x)


def test_the_first_in_a_network_leaves_out_its_input_gradient():
    network = sequential(residual(linear(3, 3)), linear(3, 2)).build()
    assert network.backward(network(torch.ones(4, 3))) is None
    assert network.module.modules[0].modules[0].needs_input_grad is False


@pytest.mark.parametrize(("module", "size"), [(linear(3, 4), 4), (RowSum(), 1)], ids=["by its rule", "in forward"])
def test_an_output_of_another_shape_raises(module, size):
    network = residual(module, tanh()).build()
    message = rf"^residual: f\(x\) must have the shape of x, \(N, 3\), got \(N, {size}\)\. End"
    with pytest.raises(ShapeError, match=message):
        network(torch.zeros(2, 3))
