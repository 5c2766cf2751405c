"""LeCun's normal first values."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from chainrule import Initializer


class LecunNormal(Initializer):
    """A normal distribution that keeps the variance of activations through linear and selu layers.

    Values:   ``N(0, 1 / fan_in)``
    Source:   LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp", eq. (16)
    """

    def std(self, fan_in: int, fan_out: int) -> float:
        return 1 / math.sqrt(fan_in)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.normal_(0, self.std(fan_in, fan_out), generator=generator)
