"""`RunningMeans`: means over batches of unequal size."""

from __future__ import annotations

from torch import Tensor

from chainrule.errors import ShapeError


class RunningMeans:
    """Means by name, each (M,): sums that are divided at the end, without synchronising in between."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._totals: dict[str, Tensor] = {}
        self._weights: dict[str, int] = {}

    def add(self, name: str, value: Tensor, weight: int, *, is_sum: bool = False) -> None:
        """Add the mean over `weight` items, or with is_sum=True their sum.

        Raises:
            ShapeError: if the value is not (M,).
        """
        if not isinstance(value, Tensor) or value.shape != (self._members,):
            got = tuple(value.shape) if isinstance(value, Tensor) else repr(value)
            raise ShapeError(
                f"metrics: {name} must return one value for each member, ({self._members},), got {got}. "
                "Average over the batch alone, as with .mean(1)."
            )
        times = 1 if is_sum else weight
        if name in self._totals:
            self._totals[name].add_(value, alpha=times)
        else:
            self._totals[name] = value * times
        self._weights[name] = self._weights.get(name, 0) + weight

    def means(self) -> dict[str, Tensor]:
        """Return the mean of each quantity over all items, (M,)."""
        return {name: total / self._weights[name] for name, total in self._totals.items()}
