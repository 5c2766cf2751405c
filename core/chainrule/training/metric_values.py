"""`MetricValues`: metrics and functions by name, over the batches of a split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from chainrule.base.metric import Metric, MetricLike
from chainrule.base.metric_total import MetricTotal
from chainrule.errors import ChainruleError
from chainrule.training.batch_values import expect_untouched, sums_of, versions
from chainrule.training.running_means import RunningMeans


class MetricValues:
    """The value of each metric for all batches, and the mean of each function over their rows."""

    def __init__(self, metrics: Mapping[str, MetricLike], members: int) -> None:
        self._totals = {name: MetricTotal(one, members) for name, one in metrics.items() if isinstance(one, Metric)}
        self._functions = {name: one for name, one in metrics.items() if not isinstance(one, Metric)}
        self._means = RunningMeans(members)
        self._names = list(metrics)

    def add(
        self, prediction: Tensor, target: Tensor, sums: Mapping[str, Mapping[str, Tensor | float]] | None = None
    ) -> None:
        """Add a batch, (M, N, …), with those sums of metrics that have been computed, by the metrics' names.

        Raises:
            ChainruleError: if a metric or a function returns anything but what it must, or the batch does not fit it.
        """
        for name, total in self._totals.items():
            if sums and name in sums:
                total.add_sums(sums[name], prediction)
            else:
                total.add_sums(sums_of(name, total.metric, prediction, target), prediction)
        before = versions(prediction, target)
        for name, function in self._functions.items():
            # Of tensors created under inference mode, changes are not counted.
            own = prediction.clone() if prediction.is_inference() else prediction
            self._means.add(name, _value_of(name, function, own, target), prediction.shape[1])
            expect_untouched(name, prediction, target, before)

    def state_dict(self) -> dict[str, Any]:
        """Return all that has been added."""
        return {
            "means": self._means.state_dict(),
            "totals": {name: total.state_dict() for name, total in self._totals.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what has been added."""
        self._means.load_state_dict(saved["means"])
        for name, total in self._totals.items():
            total.load_state_dict(saved["totals"][name])

    def values(self) -> dict[str, Tensor]:
        """Return the values by name, (M,) or (M, …), in the order of the metrics."""
        values = self._means.means() | {name: total.value() for name, total in self._totals.items()}
        return {name: values[name] for name in self._names}


def _value_of(name: str, function: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    """Return a function's value for a batch; a note on its error has the shapes that it was given."""
    try:
        return function(prediction, target)
    except Exception as error:
        if not isinstance(error, ChainruleError):
            error.add_note(
                f'metric "{name}": was given prediction {tuple(prediction.shape)} and target {tuple(target.shape)}, '
                "whose first axis is the members, also of a single network."
            )
        raise
