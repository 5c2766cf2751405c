"""Glorot and Bengio's uniform first values."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from chainrule_plugins.gains import ScaledByGain


class XavierUniform(ScaledByGain):
    """A uniform distribution that balances the variance of activations and of gradients in linear layers.

    Values:   ``U[−a, a]`` with ``a = gain √(6 / (fan_in + fan_out))``
    Source:   Glorot & Bengio 2010, eq. (16)
    """

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.factor * math.sqrt(2 / (fan_in + fan_out))

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        bound = math.sqrt(3) * self.std(fan_in, fan_out)  # U[−a, a] has the std a / √3
        tensor.uniform_(-bound, bound, generator=generator)
