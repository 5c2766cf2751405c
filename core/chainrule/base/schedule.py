"""`Schedule`: the parent class of every schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, dataclass_transform

from torch import Tensor

from chainrule.arguments import integer
from chainrule.base.class_attributes import check_methods
from chainrule.base.settings import Settings, hyperparameter
from chainrule.calls import explained
from chainrule.errors import HyperparameterError, label


@dataclass_transform(frozen_default=True, field_specifiers=(hyperparameter,))
class Schedule(Settings, ABC):
    """A factor on the learning rate as a function of the step.

    A subclass declares its settings as annotated fields and writes `__call__`. Each number of a setting may be given
    per member, (M,); the factor then follows for each member. An optimizer also takes any other callable t -> factor.
    """

    _per_member = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_methods(cls, Schedule, "__call__")
        if "__call__" in vars(cls):
            cls.__call__ = _of_a_step(cls.__call__)  # type: ignore[method-assign]

    @abstractmethod
    def __call__(self, t: int) -> float | Tensor:
        """Return the factor at step t = 1, 2, …: a finite number of at least 0, or one for each member, (M,)."""

    @classmethod
    def examples(cls) -> list[Any]:
        """Return instances for the conformance kit and the documentation."""
        return [cls()]


def _of_a_step(written: Callable[[Any, int], Any]) -> Any:
    """Return a schedule's `__call__` that refuses what is no step, such as 0."""

    @explained
    @wraps(written)
    def call(self: Schedule, t: int) -> Any:
        if type(t) is not int or t < 1:  # quicker than to ask for each
            t = integer(label(self), "t", t, at_least=1, error=HyperparameterError)
        return written(self, t)

    return call
