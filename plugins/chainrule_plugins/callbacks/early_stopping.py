"""The callback that stops every member once it no longer gets better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule import Run, hookimpl, label
from chainrule_plugins.callback_settings import checked_count, checked_number
from chainrule_plugins.watched_curve import BestState, Mode, WatchedCurve


class EarlyStopping:
    """Stop each member whose curve has not become better by more than min_delta for patience epochs.

    Watches:  the curve named by monitor, after every epoch, of which less is better if it is a loss, else as mode says
    Leaves:   each member with the parameters and buffers of its best epoch, whether it was stopped or not, in `epochs`
              and `values`. A stopped member takes them at once; its curves go on with what they give, so that they end
              in a straight line. The fit ends with the last member. Nothing is evaluated anew, so the last epoch's
              values are those before the last members took their best; a fit that fails leaves the others as they are
    Raises:   HyperparameterError if a setting is out of bounds, or mode is needed and missing; CallbackError if the fit
              has no such curve.
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 10,
        *,
        min_delta: float = 0.0,
        mode: Mode | None = None,
    ) -> None:
        self.curve = WatchedCurve(label(self), monitor, mode)
        self.patience = checked_count(label(self), "patience", patience, at_least=1)
        self.min_delta = checked_number(label(self), "min_delta", min_delta, at_least=0)
        self.monitor, self.mode = monitor, mode
        self._best = BestState(0)

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        self._best = BestState(run.network.members)

    @hookimpl
    def chainrule_epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        costs, best = self.curve.costs(metrics), self._best
        runs = torch.zeros_like(costs, dtype=torch.bool)
        runs[run.members] = True
        runs[run.stopped_members] = False
        best.see(run, epoch, costs, runs & (costs < best.costs - self.min_delta))
        over = runs & (epoch - best.epochs >= self.patience)
        best.restore(run, over)
        run.stop(members=over.nonzero().flatten().tolist())

    @hookimpl
    def chainrule_fit_end(self, run: Run, error: BaseException | None) -> None:
        if error is None:
            self._best.restore(run, self._best.epochs > 0)

    @property
    def epochs(self) -> Tensor:
        """The best epoch of each member in the last fit, (M,); 0 where no value was a number."""
        return self._best.epochs.clone()

    @property
    def values(self) -> Tensor:
        """Each member's value at its best epoch, (M,)."""
        return self.curve.sign * self._best.costs

    def state_dict(self) -> dict[str, Any]:
        return self._best.state_dict()

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self._best.load_state_dict(saved)

    @classmethod
    def examples(cls) -> list[EarlyStopping]:
        """Return instances for the conformance kit and the documentation."""
        return [cls(), cls("train_loss", patience=1, min_delta=1e-4)]

    def __repr__(self) -> str:
        return f"EarlyStopping({self.monitor!r}, {self.patience}, min_delta={self.min_delta}, mode={self.mode!r})"
