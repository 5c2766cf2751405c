import pytest
import torch

from chainrule import BackwardError, Module
from chainrule.activations import tanh
from chainrule.layers import linear, sequential


def test_backward_needs_a_forward_of_its_own():
    network, x = tanh().build(), torch.ones(6, 4)
    grad = torch.ones_like(network(x))
    network.backward(grad)
    with pytest.raises(BackwardError) as caught:
        network.backward(grad)
    assert str(caught.value) == (
        "tanh: backward called without a forward in train mode. Call forward before each backward."
    )
    network(x)
    network.backward(grad)


def test_an_input_changed_in_place_is_seen():
    network, x = linear(3, 2).build(), torch.ones(6, 3)
    y = network(x)
    x[0] = 5
    with pytest.raises(BackwardError) as caught:
        network.backward(y)
    assert str(caught.value) == (
        "linear: a tensor saved for backward must not change before it, got one of shape (6, 3) changed in place. "
        "Change a clone() instead."
    )


@pytest.mark.parametrize("settings", [{}, {"seeds": [0, 1]}], ids=str)
def test_an_output_changed_in_place_is_seen(settings):
    network = tanh().build(**settings)
    y = network(torch.ones(6, 4))
    y.mul_(2)
    with pytest.raises(BackwardError, match=r"^tanh: a tensor saved for backward must not change before it"):
        network.backward(y)


class Doubling(Module):
    """Multiply in place what it is given, which no module may do."""

    def forward(self, x):
        self.save_for_backward()
        return x.mul_(2)

    def backward(self, grad_output):
        self.saved_tensors()
        return 2 * grad_output


def test_a_module_that_changes_its_input_is_seen_by_the_one_before():
    network = sequential(tanh(), Doubling()).build()
    y = network(torch.ones(6, 4))
    with pytest.raises(BackwardError, match=r"^tanh: "):
        network.backward(y)


def test_a_failed_backward_can_be_followed_by_a_forward():
    network, x = linear(3, 2).build(), torch.ones(6, 3)
    y = network(x)
    x.add_(1)
    with pytest.raises(BackwardError):
        network.backward(y)
    network.backward(network(x))
    assert network.flat.grad.any()
