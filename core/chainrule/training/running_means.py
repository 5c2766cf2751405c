"""`RunningMeans`: means over batches of unequal size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule.base.protocols import LossLike
from chainrule.errors import ShapeError


class RunningMeans:
    """Means by name, each (M,): float64 sums that are divided at the end, without synchronising in between."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._totals: dict[str, Tensor] = {}
        self._dtypes: dict[str, torch.dtype] = {}
        self._weights: dict[str, float | Tensor] = {}

    def add(self, name: str, value: Tensor, weight: float | Tensor, *, is_sum: bool = False) -> None:
        """Add a mean with its denominator, a number or (M,), or with is_sum=True the sum that it divides.

        Raises:
            ShapeError: if the value is not (M,).
        """
        if not isinstance(value, Tensor) or value.shape != (self._members,):
            got = tuple(value.shape) if isinstance(value, Tensor) else repr(value)
            raise ShapeError(
                f"metrics: {name} must return one value for each member, ({self._members},), got {got}. "
                "Average over all axes but the first, as with .flatten(1).mean(1)."
            )
        times = 1 if is_sum else weight
        if name not in self._totals:
            self._totals[name], self._dtypes[name] = value.double() * times, value.dtype
        elif isinstance(times, Tensor):
            self._totals[name].add_(value * times)
        else:
            self._totals[name].add_(value, alpha=times)
        own = weight.double() if isinstance(weight, Tensor) else weight
        self._weights[name] = self._weights.get(name, 0) + own

    def add_loss(self, loss: LossLike, prediction: Tensor, value: Tensor, target: Tensor) -> None:
        """Add the value of a loss for a batch, under the name loss."""
        self.add("loss", value, loss.denominator(prediction, target), is_sum=loss.reduction == "sum")

    def add_losses(self, loss: LossLike, dtype: torch.dtype, values: Tensor, denominators: Tensor) -> None:
        """Add values of the loss for several batches, with their denominators, (S, M) of float64 each.

        One after the other, so that the sum is the same, to the bit, however many come at a time.
        """
        for sums, added in (
            (self._totals, values if loss.reduction == "sum" else values * denominators),
            (self._weights, denominators),
        ):
            rows, before = added, sums.get("loss")
            if before is not None:
                before = torch.as_tensor(before, dtype=torch.float64, device=added.device)
                rows = torch.cat([before.expand(1, self._members), added])
            sums["loss"] = rows.cumsum(0)[-1]
        self._dtypes["loss"] = dtype

    def state_dict(self) -> dict[str, Any]:
        """Return all that has been added."""
        return {"totals": self._totals, "dtypes": self._dtypes, "weights": self._weights}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what has been added."""
        self._totals, self._dtypes, self._weights = saved["totals"], saved["dtypes"], saved["weights"]

    def means(self) -> dict[str, Tensor]:
        """Return the mean of each quantity over all items, (M,).

        Raises:
            ShapeError: if a member's denominators sum to 0.
        """
        for name, weight in self._weights.items():
            if isinstance(weight, Tensor) and (weight == 0).any():
                raise ShapeError(
                    f"{name}: a mean over all rows needs a denominator other than 0 for each member, got "
                    f"{weight.tolist()}. Leave out data in which no row counts."
                )
        means = {name: total / self._weights[name] for name, total in self._totals.items()}
        return {name: mean.to(self._dtypes[name]) for name, mean in means.items()}
