"""`Schedule`: the parent class of every schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, dataclass_transform

from chainrule.base.settings import Settings, hyperparameter


@dataclass_transform(frozen_default=True, field_specifiers=(hyperparameter,))
class Schedule(Settings, ABC):
    """The factor on the learning rate, step by step.

    A subclass declares its settings as annotated fields and writes `__call__`. Any other callable t -> factor serves
    an optimizer as well.
    """

    @abstractmethod
    def __call__(self, t: int) -> float:
        """Return the factor at step t = 1, 2, …, a finite number of at least 0."""

    @classmethod
    def examples(cls) -> list[Any]:
        """Return instances that the conformance kit and the documentation use."""
        return [cls()]
