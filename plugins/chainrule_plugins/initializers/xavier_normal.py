"""Glorot and Bengio's normal first values."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from chainrule_plugins.gains import ScaledByGain


class XavierNormal(ScaledByGain):
    """A normal distribution that balances the variance of activations and of gradients in linear layers.

    Values:   ``N(0, std²)`` with ``std = gain √(2 / (fan_in + fan_out))``
    Source:   Glorot & Bengio 2010; paper section II.D, which calls it uniform and leaves variance or deviation open
    """

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.factor * math.sqrt(2 / (fan_in + fan_out))

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.normal_(0, self.std(fan_in, fan_out), generator=generator)
