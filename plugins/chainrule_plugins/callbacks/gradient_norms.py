"""The callback that records the norms of the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule import Run, hookimpl


class GradientNorms:
    """Record the Euclidean norm of each parameter's gradient and of all together, as means over an epoch's steps.

    The curves are ``gradient_norm``, without frozen parameters, and, for each parameter, such as
    ``gradient_norm.0.weight``; a gradient that was clipped is measured after it. Callbacks later in the list, such as
    `csv`, get the values with the other metrics.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    @hookimpl
    def chainrule_fit_start(self) -> None:
        self._sums, self._steps = {}, 0

    @hookimpl
    def chainrule_step_end(self, run: Run) -> None:
        squares = {
            name: parameter.grad.flatten(1).to(torch.float64).square().sum(1)
            for name, parameter in run.network.named_parameters()
        }
        trained = [square for name, square in squares.items() if name not in run.network.frozen]
        none = torch.zeros(run.network.members, dtype=torch.float64, device=run.network.device)
        total = torch.stack([none, *trained]).sum(0)  # 0 where a callback has frozen all
        for name, square in {"": total, **{f".{name}": square for name, square in squares.items()}}.items():
            self._sums[name] = self._sums.get(name, 0) + square.sqrt()
        self._steps += 1

    @hookimpl
    def chainrule_epoch_end(self, run: Run) -> None:
        for name, norms in self._sums.items():
            mean = norms / self._steps
            run.record(f"gradient_norm{name}", mean if run.network.is_ensemble else mean[0])
        self._sums, self._steps = {}, 0

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums, "steps": self._steps}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self._sums, self._steps = saved["sums"], saved["steps"]

    @classmethod
    def examples(cls) -> list[GradientNorms]:
        """Return instances for the conformance kit and the documentation."""
        return [cls()]

    def __repr__(self) -> str:
        return "GradientNorms()"
