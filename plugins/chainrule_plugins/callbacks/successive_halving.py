"""The callback that trains many members briefly and drops all but the best, in several rungs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chainrule import Run, hookimpl, label
from chainrule_plugins.callback_settings import checked_count
from chainrule_plugins.watched_curve import Mode, WatchedCurve


class SuccessiveHalving:
    """Train many members briefly and few to the end: at each rung the best 1/eta go on, others are dropped.

    With eta=4 and rungs=3, as given, a quarter of M members is trained beyond 1/64 of the epochs, M/16 beyond 1/16 and
    M/64 from 1/4 to the end. Epochs and numbers of members are rounded up; of rungs in one epoch the last counts.
    With compile=True a step is compiled for each number of members.

    Watches:  the curve named by monitor at the rungs, of which less is better if it is a loss, else as mode says;
              members without a number are the first to go
    Leaves:   each dropped member as it was at its last epoch, with NaN in its later curves; `history.members` has the
              others
    Source:   Jamieson & Talwalkar 2016, arXiv:1502.07943; eta and the rungs as in Li et al. 2018, arXiv:1603.06560
    Raises:   HyperparameterError if a setting is out of bounds, or mode is needed and missing; CallbackError if the fit
              has no such curve.
    """

    def __init__(
        self, monitor: str = "validation_loss", *, eta: int = 4, rungs: int = 3, mode: Mode | None = None
    ) -> None:
        self.curve = WatchedCurve(label(self), monitor, mode)
        self.eta = checked_count(label(self), "eta", eta, at_least=2)
        self.rungs = checked_count(label(self), "rungs", rungs, at_least=1)
        self.monitor, self.mode = monitor, mode
        self._stay: dict[int, int] = {}  # by epoch, how many members are trained beyond it

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        stay = {
            -(-run.epochs // self.eta ** (self.rungs - rung)): -(-run.network.members // self.eta ** (rung + 1))
            for rung in range(self.rungs)
        }
        self._stay = {epoch: members for epoch, members in stay.items() if epoch < run.epochs}

    @hookimpl
    def chainrule_epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        costs = self.curve.costs(metrics).nan_to_num(nan=torch.inf)  # after each epoch, so that a wrong name shows soon
        if epoch in self._stay:
            leaving = set(run.dropped_members)
            members = torch.tensor([member for member in run.members if member not in leaving], device="cpu")
            run.drop(members[costs[members].argsort(stable=True)][self._stay[epoch] :].tolist())

    @classmethod
    def examples(cls) -> list[SuccessiveHalving]:
        """Return instances for the conformance kit and the documentation."""
        return [cls(), cls("train_loss", eta=2, rungs=1)]

    def __repr__(self) -> str:
        return f"SuccessiveHalving({self.monitor!r}, eta={self.eta}, rungs={self.rungs}, mode={self.mode!r})"
