"""`Schedule`: the parent class of every schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, dataclass_transform

from chainrule.base.settings import Settings, hyperparameter


@dataclass_transform(frozen_default=True, field_specifiers=(hyperparameter,))
class Schedule(Settings, ABC):
    """A factor on the learning rate as a function of the step.

    A subclass declares its settings as annotated fields and writes `__call__`. An optimizer also takes any other
    callable t -> factor.
    """

    @abstractmethod
    def __call__(self, t: int) -> float:
        """Return the factor at step t = 1, 2, …, a finite number of at least 0."""

    @classmethod
    def examples(cls) -> list[Any]:
        """Return instances for the conformance kit and the documentation."""
        return [cls()]
