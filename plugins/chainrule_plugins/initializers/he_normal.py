"""He's normal first values."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from chainrule import hyperparameter
from chainrule_plugins.gains import ScaledByGain


class HeNormal(ScaledByGain):
    """A normal distribution that keeps the variance of activations through relu layers.

    Values:   ``N(0, std²)`` with ``std = gain / √fan_in``, gain √2 for relu
    Source:   He, Zhang, Ren & Sun 2015, eq. (10)
    """

    gain: float | str = hyperparameter(default=math.sqrt(2))

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.factor / math.sqrt(fan_in)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.normal_(0, self.std(fan_in, fan_out), generator=generator)
