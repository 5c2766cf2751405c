"""`WatchedCurve`: the curve by which a callback judges each member, and `BestState`: the members at their best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import CallbackError, HyperparameterError, Network

Mode = Literal["min", "max"]


class WatchedCurve:
    """A curve by name, of which less or more is better.

    Raises:
        HyperparameterError: if mode is left out for anything but a loss, of which less is better.
    """

    def __init__(self, owner: str, monitor: str, mode: Mode | None) -> None:
        if not isinstance(monitor, str):
            raise HyperparameterError(
                f'{owner}: monitor must be the name of a curve, got {monitor!r}. Pass "validation_loss".'
            )
        if mode is None and monitor.endswith("loss"):
            mode = "min"
        if mode not in ("min", "max"):
            raise HyperparameterError(
                f'{owner}: mode must be "min" or "max" for the curve {monitor}, got {mode!r}. '
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
        self.costs = torch.full((members,), torch.inf, dtype=torch.float64)
        self.epochs = torch.zeros(members, dtype=torch.int64)
        self.state: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return dict(vars(self))

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        vars(self).update(saved)

    def see(self, network: Network, epoch: int, costs: Tensor, better: Tensor) -> None:
        """Keep the state of the members that are better."""
        self.costs = torch.where(better, costs, self.costs)
        self.epochs[better] = epoch
        if not self.state:
            self.state = network.state_dict()
        elif better.any():
            self.state = _joined(network, better, network.state_dict(), self.state)

    def restore(self, network: Network, members: Tensor) -> None:
        """Give these members, (M,) of True and False, their best state, unless no cost was a number."""
        members = members & (self.epochs > 0)
        if members.any():
            network.load_state_dict(_joined(network, members, self.state, network.state_dict()))


def _joined(
    network: Network, members: Tensor, chosen: Mapping[str, Tensor], other: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the chosen state for these members and the other state for the rest, as for what all members share."""
    mask = members.to(network.device)
    if not network.is_ensemble:
        return dict(chosen if mask else other)
    return {
        name: torch.where(mask.view(-1, *[1] * (value.dim() - 1)), chosen[name], value)
        if len(value) == network.members
        else value
        for name, value in other.items()
    }
