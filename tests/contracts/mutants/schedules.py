"""Wrong schedules."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

from chainrule_plugins.schedules.constant import Constant

from . import collect

MUTANTS, wrong = collect("schedules")


@wrong("schedule_documents_its_factor")
class WithoutFormula(Constant):
    """Multiply the learning rate by the same factor."""


@wrong("factors_are_finite_and_not_negative")
class LineBelowZero(Constant):
    def __call__(self, t: int) -> float:
        return 1 - t / 100


@wrong("factors_are_finite_and_not_negative")
class RootFromTheSecondStep(Constant):
    def __call__(self, t: int) -> float:
        return float((t - 1) ** -0.5) if t > 1 else float("inf")


@wrong("factors_are_finite_and_not_negative")
class FactorAsTensor(Constant):
    def __call__(self, t: int) -> float:
        return torch.tensor(0.5)  # type: ignore[return-value]


@wrong("factors_depend_on_t_alone")
class CountsItsCalls(Constant):
    def __call__(self, t: int) -> float:
        vars(self)["calls"] = vars(self).get("calls", 0) + 1
        return self.factor / vars(self)["calls"]


@wrong("factors_depend_on_t_alone")
class FollowsItsLastFactor(Constant):
    def __call__(self, t: int) -> float:
        vars(self)["factor"] *= 0.99
        return self.factor


COUNTER = itertools.count(1)


@wrong("factors_depend_on_t_alone")
class CountsInTheModule(Constant):
    def __call__(self, t: int) -> float:
        return 1 / next(COUNTER)


@wrong("schedule_copies_act_alike")
def closure() -> Callable[[int], float]:
    return lambda t: 1 / t


@wrong("schedule_repr_makes_it_again")
class WithoutRepr(Constant):
    __repr__ = object.__repr__


@wrong("schedule_repr_makes_it_again")
class ReprWithoutTheFactor(Constant):
    def __repr__(self) -> str:
        return "ReprWithoutTheFactor()"


@wrong("bad_settings_are_rejected")
class UncheckedFactor(Constant):
    def __post_init__(self) -> None:
        pass
