import pytest
import torch

from chainrule import BackwardError, Module
from chainrule.layers import sequential
from chainrule.registry import get, names

CLASSES = [get(kind, name) for kind in ("layers", "activations") for name in names(kind)]


@pytest.fixture(params=CLASSES)
def network_and_input(request):
    module, shape = request.param.examples()[0]
    return module.build(), torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))


def test_backward_needs_a_forward_of_its_own(network_and_input):
    network, x = network_and_input
    grad = torch.ones_like(network(x))
    network.backward(grad)
    with pytest.raises(BackwardError, match="backward called without a forward in train mode"):
        network.backward(grad)
    network(x)
    network.backward(grad)


def test_backward_without_a_forward_raises(network_and_input):
    network, x = network_and_input
    grad = torch.ones_like(network.eval()(x))
    network.train()
    with pytest.raises(BackwardError, match=r"train mode\. Call forward before each backward\."):
        network.backward(grad)


def test_eval_mode_keeps_nothing(network_and_input):
    network, x = network_and_input
    grad = torch.ones_like(network.eval()(x))
    with pytest.raises(BackwardError):
        network.backward(grad)


@pytest.mark.parametrize("name", ["linear"])
def test_an_input_changed_in_place_is_seen(name):
    module, shape = get("layers", name).examples()[0]
    network, x = module.build(), torch.ones(6, *shape)
    y = network(x)
    x[0] = 5
    with pytest.raises(BackwardError) as caught:
        network.backward(y)
    assert str(caught.value) == (
        f"{name}: a tensor saved for backward must not change before it, got one of shape {tuple(x.shape)} changed in "
        "place. Change a clone() instead."
    )


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("settings", [{}, {"seeds": [0, 1]}], ids=str)
def test_an_output_changed_in_place_is_seen(name, settings):
    network = get("activations", name)().build(**settings)
    y = network(torch.ones(6, 4))
    y.mul_(2)
    with pytest.raises(BackwardError, match=rf"^{name}: a tensor saved for backward must not change before it"):
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
    network = sequential(get("activations", "tanh")(), Doubling()).build()
    y = network(torch.ones(6, 4))
    with pytest.raises(BackwardError, match=r"^tanh: "):
        network.backward(y)


def test_a_failed_backward_can_be_followed_by_a_forward():
    network, x = get("layers", "linear")(3, 2).build(), torch.ones(6, 3)
    y = network(x)
    x.add_(1)
    with pytest.raises(BackwardError):
        network.backward(y)
    network.backward(network(x))
    assert network.flat.grad.any()
