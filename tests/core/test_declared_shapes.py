"""A pass that fails names the module that declared another shape than it gives, not where it came to matter."""

import pytest
import torch

from chainrule import ContractError, Module, ShapeError, fit, training_step
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(0))


class Half(Module):
    """Keep every other value, without a rule that says so."""

    def forward(self, x):
        return x[..., ::2]

    def backward(self, grad_output):
        return torch.stack([grad_output, torch.zeros_like(grad_output)], -1).flatten(-2)


class HalfWithoutARule(Half):
    def output_shape(self, input_shape):
        return (...,)


class Failing(Module):
    def forward(self, x):
        raise RuntimeError("for another reason")

    def backward(self, grad_output):
        return grad_output


USES = {
    "a call": lambda network: network(X),
    "a fit": lambda network: fit(network, mse(), sgd(), train=(X, Y), epochs=1),
    "a traced fit": lambda network: fit(network, mse(), sgd(), train=(X, Y), epochs=1, compile=True),
    "a step": lambda network: training_step(network, mse(), sgd())(X, Y),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("seeds", [None, [0, 1]])
@pytest.mark.usefixtures("traced")
def test_a_shape_that_was_not_declared_is_named(use, seeds):
    network = sequential(linear(2, 8), sequential(Half()), linear(8, 2)).build(seeds=seeds)
    with pytest.raises(ContractError) as caught:
        USES[use](network)
    assert str(caught.value) == (
        "half: output_shape must return the shape of one output, (N, 4) for x (N, 8), got (N, 8). "
        "Define output_shape(input_shape)."
    )


@pytest.mark.parametrize("use", USES)
@pytest.mark.usefixtures("traced")
def test_behind_a_module_without_a_rule_an_input_is_held_to_the_next_ones(use):
    network = sequential(linear(2, 8), HalfWithoutARule(), linear(8, 2)).build()
    with pytest.raises(ShapeError, match=r"^linear: x must have shape \(N, …, 8\), got \(N, 4\)\."):
        USES[use](network)
    network = sequential(linear(2, 8), HalfWithoutARule(), linear(4, 2)).build()
    USES[use](network)


@pytest.mark.parametrize("use", ["a call", "a fit", "a step"])
def test_another_failure_stays_as_it_is(use):
    with pytest.raises(RuntimeError, match=r"^for another reason$"):
        USES[use](sequential(linear(2, 2), Failing()).build())
