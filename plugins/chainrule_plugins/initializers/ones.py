"""Ones for first values."""

from __future__ import annotations

from torch import Generator, Tensor

from chainrule import Initializer


class Ones(Initializer):
    """One everywhere, as for the scales of a norm.

    Values:   1
    Source:   by definition
    """

    def std(self, fan_in: int, fan_out: int) -> float:
        return 0.0

    def mean(self, fan_in: int, fan_out: int) -> float:
        return 1.0

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.fill_(1)
