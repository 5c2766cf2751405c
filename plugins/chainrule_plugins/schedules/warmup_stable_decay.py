"""The schedule that warms up, is constant, and decays."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from chainrule import HyperparameterError, Schedule, hyperparameter


class WarmupStableDecay(Schedule):
    """Rise in a straight line, stay at 1, and fall to end_factor in the last decay_steps of total_steps.

    Factor:   ``f(t) = min(t / (warmup_steps + 1), 1)`` until decay_steps are left, then ``1 − (1 − end) p`` with
              ``p = (t − 1 − total_steps + decay_steps) / decay_steps``, or for decay="sqrt" with ``√p`` in its place
    Variant:  p stays at 1 in a run longer than total_steps
    Source:   Hu et al. 2024, arXiv:2404.06395; Hägele et al. 2024, arXiv:2405.18392, for both forms of the decay
    Raises:   HyperparameterError if warmup_steps and decay_steps are more than total_steps.
    """

    total_steps: int = hyperparameter(at_least=1)
    warmup_steps: int = hyperparameter(at_least=0)
    decay_steps: int = hyperparameter(at_least=1)
    end_factor: float = hyperparameter(default=0.0, at_least=0)
    decay: Literal["linear", "sqrt"] = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup_steps + self.decay_steps > self.total_steps:
            raise HyperparameterError(
                f"warmup_stable_decay: total_steps must be at least warmup_steps + decay_steps, "
                f"{self.warmup_steps + self.decay_steps}, got {self.total_steps}. Shorten one of these."
            )

    def __call__(self, t: int) -> float | Tensor:
        into_decay = min(t - 1, self.total_steps) - self.total_steps + self.decay_steps
        if into_decay <= 0:
            return min(t / (self.warmup_steps + 1), 1.0)
        progress = into_decay / self.decay_steps
        return 1 - (1 - self.end_factor) * (progress if self.decay == "linear" else progress**0.5)

    @classmethod
    def examples(cls) -> list[WarmupStableDecay]:
        return [
            cls(total_steps=100, warmup_steps=10, decay_steps=20),
            cls(total_steps=50, warmup_steps=0, decay_steps=50, end_factor=0.1, decay="sqrt"),
        ]
