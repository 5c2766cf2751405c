"""The callback that lowers a member's learning rate once it no longer gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from chainrule import LearningRate, Run, hookimpl, label
from chainrule_plugins.callback_settings import checked_count, checked_number
from chainrule_plugins.watched_curve import Mode, WatchedCurve


class ReduceOnPlateau:
    """Multiply the learning rate of each member by factor after more than patience epochs without improvement.

    Watches:  the curve named by monitor, after every epoch, of which less is better if it is a loss, else as mode says;
              better is what differs from the best by more than the share threshold of it. After a reduction, cooldown
              epochs are not counted
    Variant:  as torch.optim.lr_scheduler.ReduceLROnPlateau, for each member and group; min_lr is the least rate that a
              reduction leads to. It lowers the rate before the schedule
    Raises:   HyperparameterError if a setting is out of bounds, or mode is needed and missing; CallbackError if the fit
              has no such curve.
    """

    changes_training: ClassVar[bool] = True

    def __init__(
        self,
        monitor: str = "validation_loss",
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: Mode | None = None,
    ) -> None:
        self.curve = WatchedCurve(label(self), monitor, mode)
        owner, self.monitor, self.mode = label(self), monitor, mode
        self.factor = checked_number(owner, "factor", factor, at_least=0, below=1)
        self.patience = checked_count(owner, "patience", patience, at_least=0)
        self.threshold = checked_number(owner, "threshold", threshold, at_least=0)
        self.cooldown = checked_count(owner, "cooldown", cooldown, at_least=0)
        self.min_lr = checked_number(owner, "min_lr", min_lr, at_least=0)
        self._start(0)

    def _start(self, members: int) -> None:
        self._best = torch.full((members,), math.inf, dtype=torch.float64, device="cpu")
        self._waited, self._resting = torch.zeros(2, members, dtype=torch.int64, device="cpu")

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        self._start(run.network.members)

    @hookimpl
    def chainrule_epoch_end(self, run: Run, metrics: Mapping[str, Tensor]) -> None:
        costs = self.curve.costs(metrics)
        better = costs < self._best * (1 - self.curve.sign * self.threshold)
        self._best = torch.where(better, costs, self._best)
        rests = self._resting > 0
        self._resting -= rests.long()
        self._waited = torch.where(better | rests, 0, self._waited + 1)
        lowered = self._waited > self.patience
        if lowered[run.members].any():
            self._waited[lowered], self._resting[lowered] = 0, self.cooldown
            for group, rule in run.updater.groups.items():
                run.updater.set_lr(self._lower(rule.lr, lowered[run.members], run), group)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "waited": self._waited, "resting": self._resting}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self._best, self._waited, self._resting = saved["best"], saved["waited"], saved["resting"]

    def _lower(self, lr: LearningRate, lowered: Tensor, run: Run) -> LearningRate:
        before = torch.as_tensor(lr, dtype=torch.float64, device="cpu").expand(run.network.members)
        after = torch.maximum(before * self.factor, before.clamp(max=self.min_lr))
        rates = torch.where(lowered, after, before)
        return rates if run.network.is_ensemble else rates.item()

    @classmethod
    def examples(cls) -> list[ReduceOnPlateau]:
        """Return instances for the conformance kit, whose short fits they change, and the documentation."""
        return [cls(patience=0, threshold=1.0), cls("train_loss", factor=0.5, patience=0, threshold=1.0, cooldown=1)]

    def __repr__(self) -> str:
        return (
            f"ReduceOnPlateau({self.monitor!r}, factor={self.factor}, patience={self.patience}, "
            f"threshold={self.threshold}, cooldown={self.cooldown}, min_lr={self.min_lr}, mode={self.mode!r})"
        )
