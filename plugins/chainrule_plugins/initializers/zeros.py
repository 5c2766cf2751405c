"""Zero first values."""

from __future__ import annotations

from torch import Generator, Tensor

from chainrule import Initializer


class Zeros(Initializer):
    """Zero everywhere.

    Values:   0
    Source:   common for biases
    """

    def std(self, fan_in: int, fan_out: int) -> float:
        return 0.0

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.zero_()
