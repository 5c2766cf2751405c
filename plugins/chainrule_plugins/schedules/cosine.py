"""The cosine schedule."""

from __future__ import annotations

import math

from torch import Tensor

from chainrule import Schedule, hyperparameter


class Cosine(Schedule):
    """Fall along half a cosine to end_factor within total_steps, and stay there.

    Factor:   ``f(t) = end + (1 − end) (1 + cos(π min(t − 1, total_steps) / total_steps)) / 2``
    Variant:  end is a factor on lr, not a rate; a run longer than total_steps stays at it, where torch's rises again
    Source:   Loshchilov & Hutter 2017, arXiv:1608.03983, eq. (5); up to total_steps as
              torch.optim.lr_scheduler.CosineAnnealingLR with T_max=total_steps, called after every step
    """

    total_steps: int = hyperparameter(at_least=1)
    end_factor: float = hyperparameter(default=0.0, at_least=0)

    def __call__(self, t: int) -> float | Tensor:
        progress = min(t - 1, self.total_steps) / self.total_steps
        return self.end_factor + (1 - self.end_factor) * ((1 + math.cos(math.pi * progress)) / 2)

    @classmethod
    def examples(cls) -> list[Cosine]:
        return [cls(total_steps=100), cls(total_steps=10, end_factor=0.1)]
