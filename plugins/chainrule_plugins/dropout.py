"""What the dropout layers share: the probability p, and a mask drawn anew at each forward in train mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from chainrule import HyperparameterError, Module, Random, label
from chainrule.ops import expect_number


class RandomlyDropping(Module):
    """A layer that drops entries with probability p in train mode, and returns x in eval mode."""

    same_in_eval = False

    def __init__(self, p: float = 0.5) -> None:
        self.p = expect_number(self, "p", p, at_least=0)
        if self.p > 1:
            raise HyperparameterError(f"{label(self)}: p must be a number from 0 to 1, got {p}. It is a probability.")
        self.random = Random()

    def mask(self, shape: Sequence[int]) -> Tensor:
        """Return m (M, *shape), 1 with probability 1 − p and else 0."""
        return self.random.bernoulli(1 - self.p, shape)

    def scaled_mask(self, shape: Sequence[int]) -> Tensor:
        """Return ``m / (1 − p)`` (M, *shape), whose mean is 1; zeros for p = 1."""
        return self.mask(shape).div_(1 - self.p if self.p < 1 else 1)

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(0.2), (2, 3))]
