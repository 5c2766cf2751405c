"""A schedule that decays at given steps."""

from __future__ import annotations

from torch import Tensor

from chainrule import Schedule, hyperparameter
from chainrule_plugins.powers import power


class MultiStep(Schedule):
    """Multiply the learning rate by gamma after each of some numbers of steps.

    Factor:   ``f(t) = γ^n`` with the number n of milestones m < t
    Source:   as torch.optim.lr_scheduler.MultiStepLR, called after every step
    """

    milestones: tuple[int, ...] = hyperparameter(at_least=1)
    gamma: float = hyperparameter(default=0.1, at_least=0)

    def __call__(self, t: int) -> float | Tensor:
        return power(self.gamma, sum(milestone < t for milestone in self.milestones))

    @classmethod
    def examples(cls) -> list[MultiStep]:
        return [cls(milestones=(30, 80)), cls(milestones=(5,), gamma=0.5)]
