"""The cosine schedule with warm restarts."""

from __future__ import annotations

import math

from torch import Tensor

from chainrule import Schedule, hyperparameter


class CosineRestarts(Schedule):
    """Fall along half a cosine again and again, each cycle cycle_mult times as long as the one before.

    Factor:   ``f(t) = end + (1 − end) (1 + cos(π k / c)) / 2`` at step k = 0, 1, … of a cycle of c steps
    Variant:  end is a factor on lr, not a rate
    Source:   Loshchilov & Hutter 2017, arXiv:1608.03983, eq. (5); as
              torch.optim.lr_scheduler.CosineAnnealingWarmRestarts with T_0=cycle_steps and T_mult=cycle_mult
    """

    cycle_steps: int = hyperparameter(at_least=1)
    cycle_mult: int = hyperparameter(default=1, at_least=1)
    end_factor: float = hyperparameter(default=0.0, at_least=0)

    def __call__(self, t: int) -> float | Tensor:
        k, cycle = t - 1, self.cycle_steps
        if self.cycle_mult == 1:
            k %= cycle
        while k >= cycle:
            k, cycle = k - cycle, cycle * self.cycle_mult
        return self.end_factor + (1 - self.end_factor) * ((1 + math.cos(math.pi * k / cycle)) / 2)

    @classmethod
    def examples(cls) -> list[CosineRestarts]:
        return [cls(cycle_steps=20), cls(cycle_steps=5, cycle_mult=2, end_factor=0.1)]
