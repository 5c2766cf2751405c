"""What the dropout layers share: the probability p, and a mask drawn anew at each forward in train mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from chainrule import Module, Random
from chainrule.ops import expect_number


class DropoutLayer(Module):
    """A layer that drops entries with probability p in train mode, and returns x in eval mode."""

    same_in_eval = False

    def __init__(self, p: float = 0.5) -> None:
        self.p = expect_number(self, "p", p, at_least=0, at_most=1)
        self.random = Random()

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(0.2), (2, 3))]


def scaled_mask(random: Random, p: float, shape: Sequence[int]) -> Tensor:
    """Return ``m / (1 − p)`` (M, *shape) with ``m ~ Bernoulli(1 − p)``, whose mean is 1; zeros for p = 1."""
    return random.bernoulli(1 - p, shape).div_(1 - p if p < 1 else 1)
