"""A layer that torch would forgive at the first step is named: a gradient unlike its input, or no tensor saved."""

import pytest
import torch

from chainrule import ContractError, Module, fit, training_step
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Passes(Module):
    def __init__(self, change):
        self.change = change

    def forward(self, x):
        return x + 0

    def backward(self, grad_output):
        return self.change(grad_output)


WRONG = {
    "an axis of one": (lambda grad: grad.sum(-1, keepdim=True), r"\(1, 8, 3\) torch.float64, got \(1, 8, 1\)"),
    "rows in one": (lambda grad: grad.sum(1, keepdim=True), r"\(1, 8, 3\) torch.float64, got \(1, 1, 3\)"),
    "another dtype": (lambda grad: grad.float(), r"got \(1, 8, 3\) torch.float32"),
    "a number": (lambda _: 1.0, r"got 1\.0"),
}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_it_is_named_with_both_shapes(change, message, compile):
    network = sequential(linear(3, 3), tanh(), Passes(change), linear(3, 3)).build(dtype=torch.float64)
    before = network.flat.data.clone()
    with pytest.raises(ContractError, match=rf"^passes: backward must return dL/dx as its x .*{message}"):
        fit(network, mse(), sgd(), train=(X, Y), epochs=1, compile=compile)
    assert torch.equal(network.flat.data, before)
    assert not {"forward", "backward"} & vars(network.modules()[3]).keys()


@pytest.mark.parametrize("change", [lambda grad: grad, lambda grad: grad.mT.contiguous().mT])
def test_a_right_one_passes_and_is_left_as_it_was(change):
    step = training_step(sequential(linear(3, 3), Passes(change)).build(dtype=torch.float64), mse(), sgd())
    step(X, Y)
    assert not {"forward", "backward"} & vars(step.network.modules()[2]).keys()


def test_what_the_first_layer_returns_is_not_needed():
    layers = sequential(Passes(lambda grad: grad[:, :1]), linear(3, 3))
    step = training_step(layers.build(dtype=torch.float64), mse(), sgd())
    assert step(X, Y) > 0


class SavesNumber(Module):
    def forward(self, x):
        self.save_for_backward(x, 2.0)
        return x * 2

    def backward(self, grad_output):
        return grad_output * self.saved_tensors()[1]


def by_hand(network):
    network(X)


def by_fit(network):
    fit(network, mse(), sgd(), train=(X, Y), epochs=1)


@pytest.mark.parametrize("run", [by_hand, by_fit])
def test_what_is_saved_and_is_no_tensor_is_named(run):
    network = sequential(linear(3, 3), SavesNumber()).build(dtype=torch.float64)
    with pytest.raises(ContractError) as caught:
        run(network)
    assert str(caught.value) == (
        "saves_number: save_for_backward must be called with tensors, got 2.0. Keep it as an attribute, or compute it "
        "in backward."
    )
