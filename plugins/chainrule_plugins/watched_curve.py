"""`WatchedCurve`: the curve by which a callback judges each member, and `BestState`: the members at their best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import CallbackError, HyperparameterError, Run
from chainrule.ops import shown

Mode = Literal["min", "max"]


class WatchedCurve:
    """A curve by name, of which less or more is better.

    Raises:
        HyperparameterError: if mode is left out for anything but a loss, of which less is better.
    """

    def __init__(self, owner: str, monitor: str, mode: Mode | None) -> None:
        if not isinstance(monitor, str):
            raise HyperparameterError(
                f'{owner}: monitor must be the name of a curve, got {shown(monitor)}. Pass "validation_loss".'
            )
        if mode is None and monitor.endswith("loss"):
            mode = "min"
        if mode not in ("min", "max"):
            raise HyperparameterError(
                f'{owner}: mode must be "min" or "max" for the curve {monitor}, got {shown(mode)}. '
                'Pass "max" if more of it is better.'
            )
        self.owner, self.monitor = owner, monitor
        self.sign = 1 if mode == "min" else -1

    def costs(self, metrics: Mapping[str, Tensor]) -> Tensor:
        """Return each member's value (M,), negative where more is better.

        Raises:
            CallbackError: if there is no such curve.
        """
        if self.monitor not in metrics:
            fix = "Choose one of them."
            if self.monitor.startswith("validation_") and "validation_loss" not in metrics:
                fix = "Choose one of them, or pass validation=(x, y) to fit."
            raise CallbackError(f"{self.owner}: monitor must be one of {', '.join(metrics)}, got {self.monitor}. {fix}")
        return self.sign * metrics[self.monitor].detach().reshape(-1).to("cpu", torch.float64)


class BestState:
    """The state of each member at its lowest cost so far.

    Attributes:
        costs: the lowest cost of each member, (M,).
        epochs: the epoch of each member's lowest cost, (M,); 0 where no cost was a number.
        state: the parameters and buffers, as in `Network.state_dict`; until a cost is a number, those of the first
            epoch.
    """

    def __init__(self, members: int) -> None:
        self.costs = torch.full((members,), torch.inf, dtype=torch.float64, device="cpu")
        self.epochs = torch.zeros(members, dtype=torch.int64, device="cpu")
        self.state: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return dict(vars(self))

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        vars(self).update(saved)

    def see(self, run: Run, epoch: int, costs: Tensor, better: Tensor) -> None:
        """Keep the state of the members that are better, (M,) of True and False."""
        self.costs = torch.where(better, costs, self.costs)
        self.epochs[better] = epoch
        if not self.state:
            self.state = run.network.state_dict()
        elif better.any():
            numbers = _numbers(better)
            self.state = _with_rows(run, self.state, numbers, run.network.state_dict(), _rows(run, numbers))

    def restore(self, run: Run, members: Tensor) -> None:
        """Give these members, (M,) of True and False, their best state, unless no cost was a number."""
        members = members & (self.epochs > 0)
        if members.any():
            numbers, own = _numbers(members), run.network.state_dict()
            run.network.load_state_dict(_with_rows(run, own, _rows(run, numbers), self.state, numbers))


def _numbers(members: Tensor) -> list[int]:
    found: list[int] = members.nonzero().flatten().tolist()
    return found


def _rows(run: Run, numbers: Sequence[int]) -> list[int]:
    """Return the rows of members in the network, which others may have left."""
    rows = {member: row for row, member in enumerate(run.members)}
    return [rows[number] for number in numbers]


def _with_rows(
    run: Run, state: Mapping[str, Tensor], rows: Sequence[int], other: Mapping[str, Tensor], own: Sequence[int]
) -> dict[str, Tensor]:
    """Return a state with some rows from those of another; what all members share stays."""
    if not run.network.is_ensemble:
        return dict(other)
    shared = {name for name, buffer in run.network.named_buffers() if buffer.shared}
    found = {name: value.clone() for name, value in state.items()}
    for name in found.keys() - shared:
        found[name][list(rows)] = other[name][list(own)]
    return found
