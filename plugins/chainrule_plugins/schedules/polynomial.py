"""The polynomial schedule."""

from __future__ import annotations

from torch import Tensor

from chainrule import Schedule, hyperparameter


class Polynomial(Schedule):
    """Fall by a power of the steps that are left to end_factor within total_steps, and stay there.

    Factor:   ``f(t) = end + (1 − end) (1 − min(t − 1, total_steps) / total_steps)^power``
    Source:   Chen et al. 2018, arXiv:1606.00915, the "poly" policy; with end_factor=0 as
              torch.optim.lr_scheduler.PolynomialLR, called after every step
    """

    total_steps: int = hyperparameter(at_least=1)
    power: float = hyperparameter(default=1.0, above=0)
    end_factor: float = hyperparameter(default=0.0, at_least=0)

    def __call__(self, t: int) -> float | Tensor:
        left = 1 - min(t - 1, self.total_steps) / self.total_steps
        falling: float | Tensor = left**self.power
        return self.end_factor + (1 - self.end_factor) * falling

    @classmethod
    def examples(cls) -> list[Polynomial]:
        return [cls(total_steps=100), cls(total_steps=50, power=0.9, end_factor=0.01)]
