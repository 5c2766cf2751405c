"""Checks that a component compiles: a whole step, forward to update, as one graph and as one compiled function."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from chainrule.base.loss import Loss
from chainrule.base.module import Module
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.base.step import Due, Step
from chainrule.errors import ChainruleError, CompileWarning, label, one_line
from chainrule.network import Network
from chainrule.testing.check import CheckFailed, NotApplicable, check
from chainrule.testing.compare import expect_close
from chainrule.testing.losses.trials import LossExample, with_reduction
from chainrule.testing.modules.trials import Example, make_trial
from chainrule.testing.small_fit import Squares
from chainrule.training import training_step
from chainrule.training.batch_values import batch_values
from chainrule.training.steps.eager import TrainingStep
from chainrule.training.steps.evaluation_stage import EvaluationStage
from chainrule.training.steps.snapshot import undeclared_tensors
from chainrule.training.steps.stage import Stage

STEPS = 3
RATE = 1e-5
CAUSE = "a Python if on a tensor, .item(), or numpy in the computation."
CAUSE_COMPILED = f"{CAUSE[:-1]}, or an operation of torch that its compiler gets wrong."

Parts = tuple[Network, Loss, Tensor, Tensor]
"""A network, a loss, and a batch of inputs and targets (M, N, …)."""


@check("layers", "activations", cause=CAUSE)
def a_traced_step_equals_an_eager_one(example: Example) -> None:
    """A training step is traced as one graph, which gives the losses, parameters and buffers of the step, to 1e-12.

    A layer that cannot be traced keeps the step of every network that holds it from being compiled.
    """
    expect_traced(parts_of_module(example))


@check("layers", "activations", limit=1, cause=CAUSE)
def a_traced_evaluation_equals_an_eager_one(example: Example) -> None:
    """An evaluation is traced as one graph, which gives its output and mean loss, to 1e-12."""
    expect_traced_evaluation(parts_of_module(example))


@check("losses", cause=CAUSE)
def a_traced_loss_equals_an_eager_one(example: LossExample) -> None:
    """A training step by the loss is traced as one graph, which gives the loss and parameters of the step, to 1e-12."""
    expect_traced(parts_of_loss(example))


@check("layers", "activations", compiles=True, cause=CAUSE_COMPILED)
def a_compiled_step_equals_an_eager_one(example: Example) -> None:
    """Three compiled training steps give the losses, parameters and buffers of three eager ones, to 1e-10."""
    expect_compiled(parts_of_module(example))


@check("losses", compiles=True, cause=CAUSE_COMPILED)
def a_compiled_loss_equals_an_eager_one(example: LossExample) -> None:
    """Three compiled training steps by the loss give the losses and parameters of three eager ones, to 1e-10."""
    expect_compiled(parts_of_loss(example))


class Down(Optimizer):
    """Step so that the gradient's size counts, but by so little that what it multiplies stays in its domain."""

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:  # noqa: ARG002
        """Return asinh g, for large g its logarithm, so that relative errors count at any size."""
        return grad.asinh()


class Scaled(Module):
    """Multiply each entry of an input by a number that is 1 at first, in front of another module, if any.

    So a loss sees the predictions of its example, and what a module returns from backward counts in the steps.
    """

    def __init__(self, shape: Sequence[int], then: ModuleLike | None = None) -> None:
        self.factor = Parameter(*(shape or (1,)), init=ones, fan_in=1, fan_out=1)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        """Return x w, or what the other module makes of it."""
        self.save_for_backward(x)
        y = x * self._factor(x)
        return y if self.then is None else self.then.forward(y)

    def backward(self, grad_output: Tensor) -> Tensor:
        """Add Σ dy x, over the rows, to dw and return dy w."""
        (x,) = self.saved_tensors()
        grad = grad_output if self.then is None else self.then.backward(grad_output)
        if grad is None:
            raise CheckFailed(f"{label(self.then)}: backward must return dL/dx, got None.")
        self.factor.grad += (grad * x).sum(1).view_as(self.factor.grad)
        return grad * self._factor(x)

    def _factor(self, x: Tensor) -> Tensor:
        return self.factor.data.view(len(x), 1, *x.shape[2:])


def ones(tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:  # noqa: ARG001
    """Fill the tensor with ones; an initializer that needs no plugin."""
    tensor.fill_(1.0)


def parts_of_module(example: Example) -> Parts:
    """Return two members of the example, with a loss of squares and an input for it."""
    trial = make_trial(example, members=2)
    network, x = trial.network, trial.x
    if x.is_floating_point():
        module = copy.deepcopy(example[0])
        network = Scaled(x.shape[2:], module).build(seeds=network.seeds, dtype=x.dtype)
        for parameter, own in zip(module.parameters(), trial.network.parameters(), strict=True):
            parameter.data.copy_(own.data)
    return network, with_reduction(Squares(), "mean", members=True), x, torch.zeros_like(trial.grad_output)


def parts_of_loss(example: LossExample) -> Parts:
    """Return a network whose output is the example's prediction at first, and the loss."""
    loss, prediction, target = example
    x, y = (tensor.double() if tensor.is_floating_point() else tensor for tensor in (prediction, target))
    network = Scaled(prediction.shape[1:]).build(seeds=[0, 1], dtype=torch.float64)
    return network, with_reduction(loss, "mean", members=True), torch.stack([x, x]), torch.stack([y, y])


def expect_traced(parts: Parts) -> None:
    """Raise CheckFailed unless a step can be traced and its graph does what the step does."""
    from chainrule.training.steps.tracing import trace  # torch's private interfaces

    (network, loss, x, y), (other, other_loss, *_) = copy.deepcopy(parts), copy.deepcopy(parts)
    step = TrainingStep(network, loss, Down(lr=RATE).attach(network))
    moments = step.updater.advance()
    stage = Stage(x, y, moments)
    stage.put_one(x, y, moments)
    try:
        graph, tensors, _ = trace(step, stage, [Due(int(moment.t)) for moment in moments])
    except Exception as error:
        raise CheckFailed(f"a step must be traced as one graph, got {one_line(error)}") from error
    _, got = graph(*tensors)
    _, expected = TrainingStep(other, other_loss, Down(lr=RATE).attach(other))(x, y)
    expect_same_state("traced", network, got, other, expected, tolerance=1e-12)


def expect_traced_evaluation(parts: Parts) -> None:
    """Raise CheckFailed unless an evaluation can be traced and its graph gives the output and mean loss."""
    from chainrule.training.steps.evaluation_functions import Evaluated, trace_evaluation  # torch's private interfaces

    network, loss, x, y = copy.deepcopy(parts)
    evaluated = Evaluated(network.eval(), loss, {})
    try:
        traced, layout = trace_evaluation(evaluated, EvaluationStage(x, y), undeclared_tensors(evaluated.owners))
    except Exception as error:
        raise CheckFailed(f"an evaluation must be traced as one graph, got {one_line(error)}") from error
    got, expected = layout.values(traced.graph(*traced.tensors)), batch_values(network, loss, x, y)
    expect_close("the output in eval mode, traced, as eagerly,", got.prediction, expected.prediction, tolerance=1e-12)
    expect_close("the mean loss, traced, as eagerly,", got.mean, expected.mean, tolerance=1e-12)


def expect_compiled(parts: Parts) -> None:
    """Raise CheckFailed unless compiled steps run, and do what eager ones do."""
    (network, loss, x, y), (other, other_loss, *_) = copy.deepcopy(parts), copy.deepcopy(parts)
    try:
        take = training_step(network, loss, Down(lr=RATE), compile=True)
    except ChainruleError as error:
        raise NotApplicable(str(error)) from error
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CompileWarning)
        got = _losses(take, x, y)
    for warning in caught:
        if issubclass(warning.category, CompileWarning):
            raise CheckFailed(f"a step must compile, got: {warning.message}")
    expected = _losses(training_step(other, other_loss, Down(lr=RATE)), x, y)
    expect_same_state("compiled", network, got, other, expected, tolerance=1e-10)


def expect_same_state(
    how: str, network: Network, losses: Tensor, other: Network, expected: Tensor, *, tolerance: float
) -> None:
    """Raise CheckFailed unless steps taken so give the losses and leave the states of eager ones."""
    expect_close(f"the loss, {how}, as eagerly,", losses, expected, tolerance=tolerance)
    state = network.state_dict()
    for name, values in other.state_dict().items():
        expect_close(f"{name} after a step, {how}, as eagerly,", state[name], values, tolerance=tolerance)


def _losses(take: Callable[..., Tensor], x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([take(x, y, per_member=True) for _ in range(STEPS)])
