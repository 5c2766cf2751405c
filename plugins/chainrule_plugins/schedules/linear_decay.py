"""The linear schedule."""

from __future__ import annotations

from torch import Tensor

from chainrule import Schedule, hyperparameter


class LinearDecay(Schedule):
    """Go in a straight line from start_factor to end_factor within total_steps, and stay there.

    Factor:   ``f(t) = start + (end − start) min(t − 1, total_steps) / total_steps``
    Variant:  it rises where end_factor is the greater
    Source:   as torch.optim.lr_scheduler.LinearLR, called after every step, whose defaults rise
    """

    total_steps: int = hyperparameter(at_least=1)
    start_factor: float = hyperparameter(default=1.0, at_least=0)
    end_factor: float = hyperparameter(default=0.0, at_least=0)

    def __call__(self, t: int) -> float | Tensor:
        progress = min(t - 1, self.total_steps) / self.total_steps
        return self.start_factor * (1 - progress) + self.end_factor * progress

    @classmethod
    def examples(cls) -> list[LinearDecay]:
        return [cls(total_steps=100), cls(total_steps=5, start_factor=0.1, end_factor=1.0)]
