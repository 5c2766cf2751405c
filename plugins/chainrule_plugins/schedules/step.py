"""A schedule that decays in steps of one length."""

from __future__ import annotations

from torch import Tensor

from chainrule import Schedule, hyperparameter
from chainrule_plugins.powers import power


class Step(Schedule):
    """Multiply the learning rate by gamma after every step_size steps.

    Factor:   ``f(t) = γ^⌊(t − 1) / step_size⌋``
    Source:   as torch.optim.lr_scheduler.StepLR, called after every step
    """

    step_size: int = hyperparameter(at_least=1)
    gamma: float = hyperparameter(default=0.1, at_least=0)

    def __call__(self, t: int) -> float | Tensor:
        return power(self.gamma, (t - 1) // self.step_size)

    @classmethod
    def examples(cls) -> list[Step]:
        return [cls(step_size=30), cls(step_size=1, gamma=0.99)]
