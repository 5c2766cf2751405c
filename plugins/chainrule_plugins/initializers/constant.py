"""Constant first values."""

from __future__ import annotations

from torch import Generator, Tensor

from chainrule import Initializer


class Constant(Initializer):
    """The same number everywhere.

    Values:   value
    Source:   by definition
    """

    value: float

    def std(self, fan_in: int, fan_out: int) -> float:
        return 0.0

    def mean(self, fan_in: int, fan_out: int) -> float:
        return self.value

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.fill_(self.value)

    @classmethod
    def examples(cls) -> list[Constant]:
        return [cls(0.5)]
