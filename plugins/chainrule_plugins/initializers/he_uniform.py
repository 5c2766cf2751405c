"""He's uniform first values."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from chainrule import hyperparameter
from chainrule_plugins.gains import ScaledByGain


class HeUniform(ScaledByGain):
    """A uniform distribution that keeps the variance of activations through relu layers.

    Values:   ``U[−a, a]`` with ``a = gain √(3 / fan_in)``, gain √2 for relu
    Source:   He, Zhang, Ren & Sun 2015, as a uniform distribution of the same variance
    """

    gain: float | str = hyperparameter(default=math.sqrt(2))

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.factor / math.sqrt(fan_in)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        bound = math.sqrt(3) * self.std(fan_in, fan_out)  # U[−a, a] has the std a / √3
        tensor.uniform_(-bound, bound, generator=generator)
