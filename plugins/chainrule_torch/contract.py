"""Checks of every optimizer as a `torch.optim.Optimizer`, which join the conformance kit by the bridge's hook.

They stand here and not in the kit, since the core imports no plugin.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule import Optimizer, param_groups
from chainrule.network import Network
from chainrule.testing.check import check
from chainrule.testing.compare import expect_close
from chainrule.testing.optimizers.trials import changed, draw_gradients, inner_of, shapes_for, weights
from chainrule.updates.updater import Updater
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

STEPS = 4
"""The number of steps of a trial, enough for every state entry to matter."""

TO_ROUNDING = 1e-11

CAUSE = (
    "memory outside the state from init, such as an attribute or a module's variable; or operations that depend on how "
    "a parameter lies in memory."
)


class Trial:
    """The rule on torch's parameters, beside a network with the same values and gradients.

    Attributes:
        network: holds one member of each parameter.
        parameters: torch's, of the same values.
    """

    def __init__(self, rule: Optimizer) -> None:
        accepted = [*shapes_for(rule).values()]
        if len(accepted) == 1:
            accepted *= 2  # for two groups
        shapes = {str(i): shape for i, shape in enumerate(accepted)}  # as torch counts them
        self.rule = rule
        self.network: Network = weights(rule, shapes, seeds=[0])
        self.parameters = [torch.nn.Parameter(each.data[0].clone()) for each in self.network.parameters()]

    def optimizer(self, parameters: Any = None) -> RuleOptimizer:
        """Return the rule as an optimizer of these parameters, else of all."""
        torch.manual_seed(0)  # of the random numbers, as of the network
        return as_torch(self.rule, self.parameters if parameters is None else parameters)

    def draw(self, t: int) -> None:
        """Give both the gradients of step t."""
        draw_gradients(self.network, t)
        for parameter, held in zip(self.parameters, self.network.parameters(), strict=True):
            parameter.grad = held.grad[0].clone()

    def expect_same(self, what: str) -> None:
        """Raise CheckFailed unless the parameters agree with the network's."""
        for parameter, held in zip(self.parameters, self.network.parameters(), strict=True):
            shown = f"a parameter of shape {tuple(parameter.shape)} {what}"
            expect_close(shown, parameter.detach(), held.data[0], tolerance=TO_ROUNDING)


def as_torch(rule: Optimizer, parameters: Any) -> RuleOptimizer:
    """Return the rule as an optimizer of torch's parameters, with its settings as they are."""
    made = type(type(rule).__name__, (RuleOptimizer,), {"factory": staticmethod(lambda: rule)})
    optimizer: RuleOptimizer = made(parameters)
    return optimizer


def take(trial: Trial, optimizer: RuleOptimizer, updater: Updater, steps: int = STEPS) -> None:
    """Take steps in torch and with the updater, which must agree after each."""
    for t in range(1, steps + 1):
        trial.draw(t)
        optimizer.step()
        updater.step()
        trial.expect_same(f"after step {t} in torch, as by the updater,")


def walk(parameters: Sequence[Tensor], optimizer: RuleOptimizer, first: int) -> list[Tensor]:
    """Take steps from a first one on, and return the parameters after each."""
    passed = []
    for t in range(first, first + STEPS):
        for i, parameter in enumerate(parameters):
            generator = torch.Generator("cpu").manual_seed(1000 * t + i)
            parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        optimizer.step()
        passed += [parameter.detach().clone() for parameter in parameters]
    return passed


def expect_equal(what: str, got: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Raise CheckFailed unless the parameters of two walks are equal bit for bit."""
    for one, other in zip(got, expected, strict=True):
        expect_close(f"a parameter of shape {tuple(other.shape)} {what}", one, other)


@check("optimizers", cause=CAUSE)
def steps_in_torch_are_those_of_the_updater(rule: Optimizer) -> None:
    """As a torch.optim.Optimizer the rule takes the steps of its updater, and evaluates with the same parameters."""
    trial = Trial(rule)
    optimizer, updater = trial.optimizer(), rule.attach(trial.network)
    take(trial, optimizer, updater)
    optimizer.eval()
    with updater.evaluating():
        trial.expect_same("to evaluate with in torch, as with the updater,")


@check("optimizers", limit=1, cause=CAUSE)
def state_in_torch_is_saved_and_loaded_exactly(rule: Optimizer) -> None:
    """A run in torch goes on bit for bit from a state_dict that torch.load(…, weights_only=True) has read."""
    trial = Trial(rule)
    optimizer = trial.optimizer()
    walk(trial.parameters, optimizer, 1)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    others = copy.deepcopy(trial.parameters)
    torch.manual_seed(1)  # the random numbers are those of the state
    resumed = as_torch(rule, others)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    got = walk(others, resumed, STEPS + 1)
    expect_equal("of a run resumed in torch", got, walk(trial.parameters, optimizer, STEPS + 1))


@check("optimizers", limit=1, cause=CAUSE)
def copies_in_torch_go_on_alike(rule: Optimizer) -> None:
    """A deepcopy of parameters and optimizer goes on bit for bit, apart from the original."""
    trial = Trial(rule)
    optimizer = trial.optimizer()
    walk(trial.parameters, optimizer, 1)
    others, theirs = copy.deepcopy((trial.parameters, optimizer))
    expected = walk(trial.parameters, optimizer, STEPS + 1)
    expect_equal("of a copied run in torch", walk(others, theirs, STEPS + 1), expected)


@check("optimizers", limit=1, cause="a rule that holds on to parameters which it was given before, or " + CAUSE)
def parameters_without_gradient_stay_in_torch(rule: Optimizer) -> None:
    """A parameter whose grad is None keeps its values and its state, and the others step as if it was not there."""
    trial, alone = Trial(rule), Trial(rule)
    optimizer, fewer = trial.optimizer(), alone.optimizer(alone.parameters[:1])
    for parameter in trial.parameters[1:]:
        parameter.requires_grad_(False)
    before = [parameter.clone() for parameter in trial.parameters]
    states = [_state(optimizer, parameter) for parameter in trial.parameters]
    for t in range(1, STEPS + 1):
        for each in (trial, alone):
            each.draw(t)
        for parameter in trial.parameters[1:]:
            parameter.grad = None
        optimizer.step()
        fewer.step()
    expect_equal("without a gradient in torch", trial.parameters[1:], before[1:])
    for parameter, state in zip(trial.parameters[1:], states[1:], strict=True):
        for name, value in _state(optimizer, parameter).items():
            expect_close(f"state {name} of a parameter without a gradient in torch", value, state[name])
    expect_equal("beside one without a gradient in torch", trial.parameters[:1], alone.parameters[:1])


def _state(optimizer: RuleOptimizer, parameter: Tensor) -> Mapping[str, Tensor]:
    return {name: value.clone() for name, value in optimizer.state[parameter].items()}


@check("optimizers", limit=1, cause="a setting that is read from elsewhere than self and step, or " + CAUSE)
def groups_in_torch_have_their_own_settings(rule: Optimizer) -> None:
    """Parameter groups of torch, also one that is added late, step as groups of the updater with the same settings."""
    trial = Trial(rule)
    rate = float(inner_of(rule).lr)
    optimizer = trial.optimizer([{"params": trial.parameters[:1], "lr": rate / 2}])
    optimizer.add_param_group({"params": trial.parameters[1:]})
    updater = param_groups({"0": changed(rule, lr=rate / 2), "*": rule}).attach(trial.network)
    take(trial, optimizer, updater)


@check("optimizers", limit=1, cause="a rate that is read from self.lr; read step.lr, or " + CAUSE)
def schedulers_of_torch_set_the_rate(rule: Optimizer) -> None:
    """A scheduler of torch that changes lr at every step acts as updater.set_lr does."""
    trial = Trial(rule)
    optimizer, updater = trial.optimizer(), rule.attach(trial.network)
    rate = float(inner_of(rule).lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    for t in range(1, STEPS + 1):
        updater.set_lr(rate / t)
        trial.draw(t)
        optimizer.step()
        updater.step()
        scheduler.step()
        trial.expect_same(f"after step {t} at the rate of a scheduler of torch")
