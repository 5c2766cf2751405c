"""LeCun's uniform first values."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from chainrule import Initializer


class LecunUniform(Initializer):
    """A uniform distribution that keeps the variance of activations through linear and selu layers.

    Values:   ``U[−a, a]`` with ``a = √(3 / fan_in)``
    Source:   LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp", eq. (16)
    """

    def std(self, fan_in: int, fan_out: int) -> float:
        return 1 / math.sqrt(fan_in)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        bound = math.sqrt(3 / fan_in)
        tensor.uniform_(-bound, bound, generator=generator)
