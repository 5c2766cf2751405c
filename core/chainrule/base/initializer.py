"""`Initializer`: the parent class of every rule for first values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

from torch import Generator, Tensor

from chainrule.errors import HyperparameterError


class Initializer(ABC):
    """Fill one member's tensor with its first values.

    Instances are callables; their constructor takes the distribution's settings, such as gain.
    """

    @abstractmethod
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        """Fill tensor (*shape), on the CPU, in place, drawing random numbers from generator alone."""

    @abstractmethod
    def std(self, fan_in: int, fan_out: int) -> float:
        """Return the standard deviation of the values for these fans; 0 if they are all the same."""

    def mean(self, fan_in: int, fan_out: int) -> float:  # noqa: ARG002 - few means depend on the fans
        """Return the mean of the values for these fans; 0 by default."""
        return 0.0

    @classmethod
    def examples(cls) -> list[Any]:
        """Return instances that the conformance kit and the documentation use."""
        return [cls()]

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), tuple(vars(self).items())))


def positive(owner: str, name: str, value: float) -> float:
    """Return value, or raise HyperparameterError if it is not a finite number above 0."""
    if not 0 < value < math.inf:
        raise HyperparameterError(
            f"{owner}: {name} must be a finite number above 0, got {value!r}. Pass 1.0 to draw as is."
        )
    return value
