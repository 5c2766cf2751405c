"""The schedule that warms up to another."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from chainrule import Schedule, hyperparameter
from chainrule.ops import expect_schedule
from chainrule.schedules import cosine


class Warmup(Schedule):
    """Rise in a straight line for warmup_steps to the first factor of another schedule, which then begins.

    Factor:   ``f(t) = g(1) (start + (1 − start) (t − 1) / warmup_steps)`` for t ≤ warmup_steps, then
              ``g(t − warmup_steps)``, where g is inner, or 1 without it
    Variant:  start_factor is that of step 1; by default 1 / (warmup_steps + 1), on the line from 0 at t = 0
    Source:   Goyal et al. 2017, arXiv:1706.02677, section 2.2; as torch.optim.lr_scheduler.SequentialLR of LinearLR
              and another
    Raises:   HyperparameterError if inner is no callable t -> factor.
    """

    warmup_steps: int = hyperparameter(at_least=1)
    inner: Callable[[int], float | Tensor] | None = None
    start_factor: float | None = hyperparameter(default=None, at_least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_schedule(self, "inner", self.inner)

    def __call__(self, t: int) -> float | Tensor:
        steps = self.warmup_steps
        target = 1.0 if self.inner is None else self.inner(max(t - steps, 1))
        if t > steps:
            return target
        start = 1 / (steps + 1) if self.start_factor is None else self.start_factor
        return target * (start + (1 - start) * ((t - 1) / steps))

    @classmethod
    def examples(cls) -> list[Warmup]:
        return [cls(warmup_steps=10), cls(warmup_steps=5, inner=cosine(total_steps=95), start_factor=0.0)]
