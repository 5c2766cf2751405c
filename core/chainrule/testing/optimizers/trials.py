"""Trials of optimizers: parameters of any shape, and runs on reproducible gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from chainrule.base.module import Module
from chainrule.base.optimizer import Optimizer
from chainrule.base.parameter import Parameter
from chainrule.base.random_numbers import random_key
from chainrule.base.random_streams import random_stream
from chainrule.base.step import Step
from chainrule.base.wrapper import Wrapper, layers_of
from chainrule.network import Network
from chainrule.testing.check import NotApplicable
from chainrule.testing.compare import expect_close
from chainrule.updates.chain import Chain
from chainrule.updates.clock import Clock
from chainrule.updates.updater import Updater

Shape = tuple[int, ...]

SHAPES: tuple[Shape, ...] = ((), (1,), (4,), (3, 2), (2, 2, 3), (2, 3, 1, 2))
"""The parameter shapes of trials, the smallest first."""

STEPS = 5
"""The number of steps in most trials, enough for every state entry to matter."""


def normal(tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:  # noqa: ARG001
    """Fill the tensor with standard normal values; an initializer that needs no plugin."""
    tensor.normal_(generator=generator)


class Weights(Module):
    """Hold parameters of the given names and shapes."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        for name, shape in shapes.items():
            setattr(self, name, Parameter(*shape, init=normal, fan_in=1, fan_out=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def backward(self, grad_output: Tensor) -> Tensor:
        """Return grad_output."""
        return grad_output


def shapes_for(rule: Optimizer, shapes: Sequence[Shape] = SHAPES) -> dict[str, Shape]:
    """Return the shapes whose ranks the rule accepts, under the names w0, w1, ….

    Raises:
        NotApplicable: if there are none.
    """
    named = {f"w{i}": shape for i, shape in enumerate(shapes) if len(shape) in Chain(rule).ranks}
    if not named:
        raise NotApplicable(f"none of the shapes {list(shapes)} has a rank in {tuple(Chain(rule).ranks)}")
    return named


def weights(
    rule: Optimizer,
    shapes: Sequence[Shape] | Mapping[str, Shape] = SHAPES,
    *,
    seeds: Sequence[int] | None = None,
    dtype: torch.dtype = torch.float64,
) -> Network:
    """Return a network of the parameters that the rule accepts, with normal values."""
    named = shapes if isinstance(shapes, Mapping) else shapes_for(rule, shapes)
    return Weights(named).build(seeds=seeds, dtype=dtype)


def draw_gradients(network: Network, t: int) -> None:
    """Fill every gradient with normal values that depend only on the member's seed, the parameter's name and t."""
    for name, parameter in network.named_parameters():
        for i, seed in enumerate(network.seeds):
            drawn = torch.randn(
                parameter.shape, generator=random_stream(seed, f"gradient {t}", name), dtype=torch.float64
            )
            parameter.grad[i].copy_(drawn)


def take(updater: Updater, steps: int = STEPS) -> None:
    """Take steps with the updater, each on new gradients."""
    for _ in range(steps):
        draw_gradients(updater.network, updater.t + 1)
        updater.step()


def moved(rule: Any, network: Network, steps: int = STEPS, **settings: Any) -> Network:
    """Attach the rule to the network, take steps, and return the network."""
    take(rule.attach(network, **settings), steps)
    return network


def positions(rule: Optimizer, network: Network, steps: int = STEPS) -> list[dict[str, Tensor]]:
    """Return the network's parameters after each step."""
    updater, passed = rule.attach(network), []
    for _ in range(steps):
        take(updater, 1)
        passed.append(network.state_dict())
    return passed


def expect_same(
    what: str, got: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, tolerance: float = 0.0
) -> None:
    """Raise CheckFailed unless two networks' parameters agree; `what` names the moment, such as "after step 3"."""
    for name, values in expected.items():
        expect_close(f"parameter {name} of shape {tuple(values.shape)} {what}", got[name], values, tolerance=tolerance)


class Alone:
    """A rule on one tensor, without a network."""

    def __init__(self, rule: Optimizer, parameter: Tensor) -> None:
        self.chain = Chain(rule)
        self.clock = Clock(self.chain, 1, parameter.device, parameter.dtype)
        self.parameter = parameter
        self.state = self.chain.init(parameter)
        self.states = self.chain.states(self.state)

    def steps(self, grad: Tensor, t: int) -> tuple[Tensor, list[Step]]:
        """Return the gradient as wrappers change it, and the step of each layer with its sums."""
        key = torch.tensor(random_key(0, "update/alone")).unsqueeze(1)
        steps = self.chain.steps(self.clock.at(t), key, self.parameter.dtype)
        grad = self.chain.change_gradient(self.parameter, grad, self.states, steps)
        if self.chain.has_sums:
            self.chain.add_sums(steps, self.chain.reduce(self.parameter, grad, self.states, steps))
        return grad, steps

    def step(self, grad: Tensor, t: int) -> None:
        """Take step t."""
        changed, steps = self.steps(grad, t)
        self.chain.apply(self.parameter, changed, self.states, steps)


def inner_of(rule: Optimizer) -> Optimizer:
    """Return the rule inside all wrappers."""
    return layers_of(rule)[-1]


def changed(rule: Optimizer, **settings: Any) -> Optimizer:
    """Return a copy of the rule with other settings; those that a wrapper does not have are its inner rule's."""
    if isinstance(rule, Wrapper):
        own = {name: settings.pop(name) for name in settings.keys() & {one.name for one in dataclasses.fields(rule)}}
        return dataclasses.replace(rule, inner=changed(rule.inner, **settings), **own)
    return dataclasses.replace(rule, **settings)


def without_decay(rule: Optimizer) -> Optimizer:
    """Return the rule with weight_decay 0, if it has that field."""
    return changed(rule, weight_decay=0.0) if hasattr(inner_of(rule), "weight_decay") else rule


@dataclasses.dataclass(frozen=True)
class Factors:
    """A schedule of the given factors, which then stays at the last one."""

    factors: tuple[float, ...]

    def __call__(self, t: int) -> float:
        """Return the factor at step t."""
        return self.factors[min(t, len(self.factors)) - 1]
