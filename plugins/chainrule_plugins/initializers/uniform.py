"""Uniform first values, by the number of inputs."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from chainrule import Initializer


class Uniform(Initializer):
    """A uniform distribution whose width falls with the number of inputs.

    Values:   ``U[−1/√fan_in, 1/√fan_in]``
    Source:   paper section II.D
    """

    def std(self, fan_in: int, fan_out: int) -> float:
        return 1 / math.sqrt(3 * fan_in)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        bound = 1 / math.sqrt(fan_in)
        tensor.uniform_(-bound, bound, generator=generator)
