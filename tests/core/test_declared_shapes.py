"""A pass that fails names the module that declared another shape than it gives, not where it came to matter."""

import pytest
import torch

from chainrule import ContractError, Module, ShapeError, evaluate, fit, training_step
from chainrule.activations import tanh
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
    """Draw a number of torch's, and fail."""

    def __init__(self, error):
        self.error = error

    def forward(self, x):
        torch.rand(1)
        raise self.error

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


class Block(Module):
    """A block whose rule is right, around a part whose rule is not."""

    def __init__(self):
        self.half = Half()

    def output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2 if isinstance(input_shape[-1], int) else None)

    def forward(self, x):
        return self.half.forward(x) + 0.0

    def backward(self, grad_output):
        return self.half.backward(grad_output)


@pytest.mark.parametrize("use", ["a call", "a fit", "a step"])
@pytest.mark.parametrize("error", [RuntimeError("for another reason"), torch.OutOfMemoryError("too large")])
def test_another_failure_stays_as_it_is(use, error):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with pytest.raises(RuntimeError) as caught:
            USES[use](sequential(linear(2, 4), Block(), Failing(error)).build())
        after = torch.rand(1)
        assert torch.equal(torch.rand(3, generator=torch.manual_seed(0))[1:2], after)
    assert caught.value is error


def test_a_target_that_does_not_fit_is_no_matter_of_the_layers():
    network = sequential(linear(2, 4), Block(), linear(2, 2)).build()
    with pytest.raises(ShapeError, match=r"^mse: target must have the prediction's shape"):
        training_step(network, mse(), sgd())(X, Y[:, :1])


class Masks(Module):
    """Multiply with a mask that has the member axis twice, as drawn by a Random for x.shape."""

    def forward(self, x):
        return x * torch.ones(len(x), *x.shape)

    def backward(self, grad_output):
        return grad_output


class Rows(Module):
    """Make so many rows of the values, as around layers that take them one by one."""

    def __init__(self, rows):
        self.rows = rows

    def output_shape(self, input_shape):
        return (...,)

    def forward(self, x):
        return x.reshape(len(x), self.rows, -1)

    def backward(self, grad_output):
        return grad_output.reshape(len(grad_output), 6, -1)


class Squares(Half):
    """Half, with a rule for another layer."""

    def output_shape(self, input_shape):
        return (*input_shape, 2)


LOSSES = {
    **{use: USES[use] for use in ("a fit", "a traced fit", "a step")},
    "an evaluation": lambda network: evaluate(network, mse(), (X, Y)),
}


@pytest.mark.parametrize("use", LOSSES)
@pytest.mark.usefixtures("traced")
def test_an_output_that_the_loss_refuses_is_that_of_the_layer_which_changes_the_rows(use):
    with pytest.raises(ContractError) as caught:
        LOSSES[use](sequential(linear(2, 2), sequential(Masks()), linear(2, 2)).build())
    assert str(caught.value) == (
        "masks: forward must return y (M, N, …) with the members and rows of its x (1, 6, 2), got (1, 1, 6, 2). "
        "Leave the first two axes as they are; a Random takes x.shape[1:]."
    )


@pytest.mark.parametrize("use", LOSSES)
@pytest.mark.usefixtures("traced")
def test_an_output_that_the_loss_refuses_is_that_of_the_layer_whose_rule_is_wrong(use):
    with pytest.raises(ContractError, match=r"^squares: output_shape must return .* \(N, 1\) for x \(N, 2\), got"):
        LOSSES[use](sequential(linear(2, 2), Squares()).build())
    with pytest.raises(ShapeError, match=r"^mse: target must have"):
        LOSSES[use](sequential(linear(2, 2), Half(), tanh()).build())


class Passes(Module):
    def __init__(self, member=...):
        self.member = member

    def forward(self, x):
        return x[self.member]

    def backward(self, grad_output):
        return grad_output


def test_rows_may_be_others_inside_of_the_network():
    network = sequential(linear(2, 4), Rows(12), Rows(6)).build()
    with pytest.raises(ShapeError, match=r"^mse: target must have the prediction's shape"):
        training_step(network, mse(), sgd())(X, Y)


def test_a_call_names_the_layer_that_loses_the_member_axis():
    network = sequential(linear(2, 2), Passes(), linear(2, 2)).build()
    assert network(X).shape == (6, 2)
    network = sequential(linear(2, 2), Passes(0)).build()
    with pytest.raises(ContractError, match=r"^passes: forward must return y .* its x \(1, 6, 2\), got \(6, 2\)"):
        network(X)
