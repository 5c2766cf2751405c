"""The inverse-square-root schedule."""

from __future__ import annotations

import math

from chainrule import Schedule, hyperparameter


class InverseSqrt(Schedule):
    """Rise in a straight line for warmup_steps, then fall as the root of the steps grows.

    Factor:   ``f(t) = min(t / warmup_steps, √(warmup_steps / t))``, which is 1 at t = warmup_steps
    Source:   Vaswani et al. 2017, arXiv:1706.03762, eq. (3), divided by its maximum
    """

    warmup_steps: int = hyperparameter(at_least=1)

    def __call__(self, t: int) -> float:
        return min(t / self.warmup_steps, math.sqrt(self.warmup_steps / t))

    @classmethod
    def examples(cls) -> list[InverseSqrt]:
        return [cls(warmup_steps=1), cls(warmup_steps=50)]
