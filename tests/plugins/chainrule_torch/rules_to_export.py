"""Rules that use what the built-in ones do not, to be exported."""

from __future__ import annotations

import functools
import math
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

import chainrule
import chainrule as cr
from chainrule import HyperparameterError, LearningRate, Optimizer, State, Step, Wrapper, hyperparameter, ops
from chainrule_plugins.optimizers.accumulate import Accumulate
from chainrule_plugins.optimizers.adam import Adam
from chainrule_plugins.optimizers.ema import Ema
from chainrule_plugins.optimizers.lookahead import Lookahead
from chainrule_plugins.optimizers.rmsprop import Rmsprop
from chainrule_plugins.orthogonal import EPS as LEAST

HALF = 0.5
QUARTER = HALF / 2
"""Half of a half."""


@functools.cache
def power(exponent: float) -> float:
    return QUARTER**exponent


class Dotted(cr.Optimizer):
    """Reach for everything by its module."""

    lr: cr.LearningRate = cr.hyperparameter(default=1e-2, at_least=0)
    scale: float | None = chainrule.hyperparameter(default=None, above=0)
    floor: float = LEAST

    def init(self, parameter: Tensor) -> cr.State:
        return {"v": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: cr.State, step: cr.Step) -> Tensor:
        v = state["v"].lerp_(grad * grad, power(2.0))
        return grad / (ops.square_root(v) + self.floor) * (1.0 if self.scale is None else self.scale)


class Inheriting(Adam):
    """Take a part of Adam's step.

    Call ``chainrule.create("optimizers", "adam")`` for the whole of it.
    """

    _SHARE: ClassVar[float] = 0.5

    eps: float = 1e-6
    power: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eps > self.limit:
            raise HyperparameterError(f"inheriting: eps must be at most {self.limit}, got {self.eps}.")

    @property
    def limit(self) -> float:
        return 1e-3

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return self._SHARE**self.power * super().update(parameter, grad, state, step)

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        super().apply(parameter, grad, state, step)
        parameter.mul_(1 - 1e-3)


class Counting(Optimizer):
    """Keep the start itself, and a count in integers."""

    elementwise = False
    ranks = (1, 2)

    def init(self, parameter: Tensor) -> State:
        return {"start": parameter, "count": torch.zeros((), dtype=torch.int64)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        state["count"] += 1
        return grad + (parameter - state["start"]) / state["count"]


class Ascending(Optimizer):
    """Step along the gradient by a setting of its own, as ports from torch have it."""

    maximize: bool = True

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return -grad if self.maximize else grad


class Shaking(Wrapper):
    """Shake the gradient, and sum its squares over the network."""

    size: float = hyperparameter(default=0.1, at_least=0, below=1)

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        return {"squares": grad.square().sum()}

    def change_gradient(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        kept = step.random.bernoulli(0.5, grad.shape) * step.random.uniform(grad.shape)
        return grad + self.size * kept * step.random.normal(grad.shape)

    def change_direction(self, parameter: Tensor, grad: Tensor, direction: Tensor, state: State, step: Step) -> Tensor:
        return direction / (1 + step["squares"].sqrt())


class Rolling(Optimizer):
    """Use numpy."""

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad * float(np.cos(step.t))


def settings_of(x: Tensor) -> Tensor:
    return x


class Clashing(Optimizer):
    """Call a function by a name that the file has itself."""

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return settings_of(grad)


class Scheduled(Optimizer):
    """Ask for a rule of another's."""

    lr: LearningRate = 1e-2
    other: object = None

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad * math.pi


def nested() -> Optimizer:
    return Ema(inner=Lookahead(inner=Rmsprop(momentum=0.5), k=2), decay=0.9)


def accumulated() -> Optimizer:
    return Ema(inner=Accumulate(inner=Lookahead(inner=Adam(), k=2), k=3), decay=0.5)


def shaken() -> Optimizer:
    return Shaking(inner=Shaking(inner=Adam(lr=0.01), size=0.2))


def warm() -> Optimizer:
    return Adam(schedule=lambda t: 1 / t)


def local() -> Optimizer:
    class Local(Optimizer):
        def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
            return grad

    return Local()
