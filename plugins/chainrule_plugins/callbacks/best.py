"""The callback that keeps every member as it was at its best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from chainrule import Run, hookimpl, label
from chainrule.ops import expect_flag
from chainrule_plugins.watched_curve import BestState, Mode, WatchedCurve


class Best:
    """Keep each member's parameters and buffers of the epoch at which a curve was best, and restore them at the end.

    Watches:  the curve named by monitor, after every epoch, of which less is better if it is a loss, else as mode says
    Leaves:   `epochs` and `values`, one for each member, and `network_state()`, which `network.load_state_dict` takes;
              the network has that state unless restore=False or the fit failed. Nothing is evaluated anew, so curves
              and callbacks have the last epoch's values
    Raises:   HyperparameterError if mode is needed and missing; CallbackError if the fit has no such curve.
    """

    def __init__(self, monitor: str = "validation_loss", mode: Mode | None = None, *, restore: bool = True) -> None:
        self.curve = WatchedCurve(label(self), monitor, mode)
        self.monitor, self.mode, self.restore = monitor, mode, expect_flag(self, "restore", restore)
        self._best = BestState(0)

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        self._best = BestState(run.network.members)

    @hookimpl
    def chainrule_epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        costs, best = self.curve.costs(metrics), self._best
        best.see(run, epoch, costs, costs < best.costs)

    @hookimpl
    def chainrule_fit_end(self, run: Run, error: BaseException | None) -> None:
        if error is None and self.restore:
            self._best.restore(run, self._best.epochs > 0)

    @property
    def epochs(self) -> Tensor:
        """The epoch of each member's best value, (M,); 0 where no value was a number."""
        return self._best.epochs.clone()

    @property
    def values(self) -> Tensor:
        """Each member's best value, (M,); infinite where no value was a number."""
        return self.curve.sign * self._best.costs

    def state_dict(self) -> dict[str, Any]:
        return self._best.state_dict()

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self._best.load_state_dict(saved)

    def network_state(self) -> dict[str, Tensor]:
        """Return copies of the parameters and buffers of every member at its best."""
        return {name: value.clone() for name, value in self._best.state.items()}

    @classmethod
    def examples(cls) -> list[Best]:
        """Return instances for the conformance kit and the documentation."""
        return [cls(), cls("train_loss", restore=False)]

    def __repr__(self) -> str:
        return f"Best({self.monitor!r}, {self.mode!r}, restore={self.restore})"
