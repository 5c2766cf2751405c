"""`MetricValues`: metrics and functions by name, over the batches of a split."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule.base.metric import Metric, MetricLike
from chainrule.base.metric_total import MetricTotal
from chainrule.training.running_means import RunningMeans


class MetricValues:
    """The value of each metric for all batches, and the mean of each function over their rows."""

    def __init__(self, metrics: Mapping[str, MetricLike], members: int) -> None:
        self._totals = {name: MetricTotal(one, members) for name, one in metrics.items() if isinstance(one, Metric)}
        self._functions = {name: one for name, one in metrics.items() if not isinstance(one, Metric)}
        self._means = RunningMeans(members)
        self._names = list(metrics)

    def add(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch, (M, N, …).

        Raises:
            ChainruleError: if a metric or a function returns anything but what it must, or the batch does not fit it.
        """
        for total in self._totals.values():
            total.add(prediction, target)
        for name, function in self._functions.items():
            self._means.add(name, function(prediction, target), prediction.shape[1])

    def values(self) -> dict[str, Tensor]:
        """Return the values by name, (M,) or (M, …), in the order of the metrics."""
        values = self._means.means() | {name: total.value() for name, total in self._totals.items()}
        return {name: values[name] for name in self._names}
