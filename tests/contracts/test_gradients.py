"""Every registered layer, activation and loss: its backward against central differences and against autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from chainrule import Loss, Module
from chainrule.registry import get, names
from chainrule_plugins.activations.sigmoid import Sigmoid
from chainrule_plugins.activations.tanh import Tanh
from chainrule_plugins.layers.linear import Linear
from chainrule_plugins.losses.cross_entropy import CrossEntropy
from chainrule_plugins.losses.mse import Mse

CLASSES = [get(kind, name) for kind in ("layers", "activations") for name in names(kind)]
MODULES = [(cls, i) for cls in CLASSES for i in range(len(cls.examples()))]
LOSSES = [(cls, i) for cls in (get("losses", name) for name in names("losses")) for i in range(len(cls.examples()))]


def central_differences(value: Callable[[], Tensor], tensor: Tensor, h: float = 1e-5) -> Tensor:
    """Return the derivative of value() with respect to each element of tensor, which is changed in place meanwhile."""
    flat, slopes = tensor.view(-1), []
    for i in range(len(flat)):
        middle = flat[i].item()
        flat[i] = middle + h
        above = value()
        flat[i] = middle - h
        slopes.append((above - value()) / (2 * h))
        flat[i] = middle
    return torch.stack(slopes).view_as(tensor)


def check_module(module: Module, shape: tuple[int, ...], members: int) -> None:
    """Assert that backward is the derivative of forward, and is added to what the gradients hold."""
    network = module.build(seeds=range(members), dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(members, 4, *shape, generator=generator, dtype=torch.float64)
    y = module.forward(x)
    grad_output = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    start = torch.randn(network.flat.grad.shape, generator=generator, dtype=torch.float64)
    network.flat.grad.copy_(start)
    grads = [module.backward(grad_output)]
    network.flat.grad.sub_(start)
    grads += [parameter.grad.clone() for parameter in network.parameters()]

    tensors = [x, *(parameter.data for parameter in network.parameters())]
    for tensor, grad in zip(tensors, grads, strict=True):
        slopes = central_differences(lambda: (module.forward(x) * grad_output).sum(), tensor)
        assert_close(grad, slopes, rtol=1e-6, atol=1e-8)

    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    for parameter, leaf in zip(network.parameters(), leaves[1:], strict=True):
        parameter.bind(leaf, parameter.grad)
    expected = torch.autograd.grad((module.forward(leaves[0]) * grad_output).sum(), leaves)
    assert_close(grads, list(expected), rtol=1e-10, atol=1e-12)


def check_loss(loss: Loss, prediction: Tensor, target: Tensor, members: int) -> None:
    """Assert that backward is the derivative of the loss, for each member's own prediction."""
    loss = loss.over_members()
    scale = 1 + torch.arange(members, dtype=torch.float64).view(-1, *[1] * prediction.dim())
    prediction = prediction * scale
    loss(prediction, target)
    grad = loss.backward()
    slopes = central_differences(lambda: loss(prediction, target).sum(), prediction)
    assert_close(grad, slopes, rtol=1e-6, atol=1e-8)

    leaf = prediction.clone().requires_grad_()
    total = loss.forward(leaf, target.expand(members, *target.shape))
    share = loss(prediction, target) / total.detach()  # 1 for a sum
    assert_close(grad, torch.autograd.grad((total * share).sum(), leaf)[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize(("cls", "i"), MODULES)
def test_backward_of_a_module_is_the_derivative_of_its_forward(cls: type[Module], i: int, members: int) -> None:
    check_module(*cls.examples()[i], members)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize(("cls", "i"), LOSSES)
def test_backward_of_a_loss_is_its_derivative(cls: type[Loss], i: int, members: int) -> None:
    check_loss(*cls.examples()[i], members)


class SignFlipped(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        return -super().backward(grad_output)


class SigmoidAsPrinted(Sigmoid):
    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output * (y - 1) / y


class Overwriting(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        self.weight.grad.zero_()
        return super().backward(grad_output)


class WeightGradientTransposed(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        before = self.weight.grad.clone()
        grad = super().backward(grad_output)
        self.weight.grad.copy_(before + (self.weight.grad - before).mT)
        return grad


class BiasGradientAveraged(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        before = self.bias.grad.clone()
        grad = super().backward(grad_output)
        self.bias.grad.copy_(before + (self.bias.grad - before) / grad_output.shape[1])
        return grad


class FactorTwoMissing(Mse):
    def gradient(self) -> Tensor:
        return super().gradient() / 2


class MeanForgotten(CrossEntropy):
    def backward(self) -> Tensor:
        return self.gradient()


@pytest.mark.parametrize("module", [SignFlipped(), SigmoidAsPrinted()], ids=repr)
def test_a_wrong_activation_is_rejected(module: Module) -> None:
    with pytest.raises(AssertionError):
        check_module(module, (4,), 1)


@pytest.mark.parametrize("cls", [Overwriting, WeightGradientTransposed, BiasGradientAveraged])
@pytest.mark.parametrize("members", [1, 3])
def test_a_wrong_layer_is_rejected(cls: type[Linear], members: int) -> None:
    with pytest.raises(AssertionError):
        check_module(cls(3, 3), (3,), members)


@pytest.mark.parametrize("cls", [FactorTwoMissing, MeanForgotten])
def test_a_wrong_loss_is_rejected(cls: type[Loss]) -> None:
    with pytest.raises(AssertionError):
        check_loss(*cls.examples()[0], 1)
