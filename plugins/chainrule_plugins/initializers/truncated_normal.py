"""Normal first values between two limits."""

from __future__ import annotations

import math
from statistics import NormalDist

from torch import Generator, Tensor

from chainrule import HyperparameterError, Initializer, hyperparameter


class TruncatedNormal(Initializer):
    """A normal distribution without the values outside two limits.

    Values:   ``N(loc, scale²)`` given that they are in [low, high], by the inverse of its distribution function
    Source:   Johnson, Kotz & Balakrishnan 1994, section 13.10.1, for mean and standard deviation
    Raises:   HyperparameterError if low is not below high, or nearly no normal value is between them.
    """

    loc: float = 0.0
    scale: float = hyperparameter(default=1.0, above=0)
    low: float = -2.0
    high: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        below, above = self._probabilities()
        if not above - below > 1e-6:
            raise HyperparameterError(
                f"truncated_normal: low must be below high, with values of N({self.loc}, {self.scale}²) between them, "
                f"got {self.low} and {self.high}. Move them around {self.loc}."
            )

    def std(self, fan_in: int, fan_out: int) -> float:
        a, b = ((limit - self.loc) / self.scale for limit in (self.low, self.high))
        below, above = self._probabilities()
        density, share = NormalDist().pdf, above - below
        slope = (density(a) - density(b)) / share
        return self.scale * math.sqrt(1 + (a * density(a) - b * density(b)) / share - slope**2)

    def mean(self, fan_in: int, fan_out: int) -> float:
        a, b = ((limit - self.loc) / self.scale for limit in (self.low, self.high))
        below, above = self._probabilities()
        return self.loc + self.scale * (NormalDist().pdf(a) - NormalDist().pdf(b)) / (above - below)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        below, above = self._probabilities()
        tensor.uniform_(2 * below - 1, 2 * above - 1, generator=generator).erfinv_()
        tensor.mul_(self.scale * math.sqrt(2)).add_(self.loc).clamp_(self.low, self.high)

    def _probabilities(self) -> tuple[float, float]:
        """Return the probabilities of values below each limit."""
        distribution = NormalDist(self.loc, self.scale)
        return distribution.cdf(self.low), distribution.cdf(self.high)

    @classmethod
    def examples(cls) -> list[TruncatedNormal]:
        return [cls(), cls(loc=0.1, scale=0.5, low=-0.2, high=1.0)]
