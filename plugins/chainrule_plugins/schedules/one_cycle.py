"""The one-cycle schedule."""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import Tensor

from chainrule import HyperparameterError, Schedule, hyperparameter


class OneCycle(Schedule):
    """Rise from a small rate to lr, then fall to a far smaller one at total_steps, and stay there.

    Factor:   from ``1 / div_factor`` to 1 at step pct_start · total_steps, then to
              ``1 / (div_factor · final_div_factor)``; with three_phase down to ``1 / div_factor`` first, as long as up
    Variant:  lr is torch's max_lr; the momentum stays as it is
    Source:   Smith & Topin 2018, arXiv:1708.07120; as torch.optim.lr_scheduler.OneCycleLR
    Raises:   HyperparameterError if three_phase leaves nothing for the third, with a pct_start of 0.5 or more.
    """

    total_steps: int = hyperparameter(at_least=1)
    pct_start: float = hyperparameter(default=0.3, at_least=0, at_most=1)
    anneal_strategy: Literal["cos", "linear"] = "cos"
    div_factor: float = hyperparameter(default=25.0, above=0)
    final_div_factor: float = hyperparameter(default=1e4, above=0)
    three_phase: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.pct_start.tolist() if isinstance(self.pct_start, Tensor) else [self.pct_start]
        if self.three_phase and max(shares) >= 0.5:
            raise HyperparameterError(
                f"one_cycle: pct_start must be below 0.5 with three_phase=True, got {max(shares)}. "
                "Lower it, since the way down is as long as the way up."
            )

    def __call__(self, t: int) -> float | Tensor:
        k, low = min(t, self.total_steps) - 1, 1 / self.div_factor
        top = self.pct_start * self.total_steps - 1
        phases = [
            (top, low, 1.0),
            (self.total_steps - 1, low if self.three_phase else 1.0, low / self.final_div_factor),
        ]
        if self.three_phase:
            phases.insert(1, (2 * top, 1.0, low))
        begin: float | Tensor = 0.0
        for end, first, last in phases[:-1]:
            if k <= end and end > begin:
                return self._between(first, last, (k - begin) / (end - begin))
            begin = end
        end, first, last = phases[-1]
        return self._between(first, last, (k - begin) / (end - begin) if end > begin else 1.0)

    def _between(self, first: float | Tensor, last: float | Tensor, progress: Any) -> float | Tensor:
        if self.anneal_strategy == "cos":
            progress = (1 - math.cos(math.pi * progress)) / 2
        factor: float | Tensor = first + (last - first) * progress
        return factor

    @classmethod
    def examples(cls) -> list[OneCycle]:
        return [
            cls(total_steps=100),
            cls(total_steps=10, pct_start=0.2, anneal_strategy="linear", three_phase=True),
            cls(total_steps=1),
        ]
