"""The exponential schedule."""

from __future__ import annotations

from torch import Tensor

from chainrule import Schedule, hyperparameter
from chainrule_plugins.powers import power


class Exponential(Schedule):
    """Multiply the learning rate by gamma after every step.

    Factor:   ``f(t) = γ^(t − 1)``
    Variant:  with gamma above 1 it grows, as in a search for the largest rate that trains
    Source:   as torch.optim.lr_scheduler.ExponentialLR, called after every step
    """

    gamma: float = hyperparameter(at_least=0)

    def __call__(self, t: int) -> float | Tensor:
        return power(self.gamma, t - 1)

    @classmethod
    def examples(cls) -> list[Exponential]:
        return [cls(gamma=0.99), cls(gamma=1.0)]
