"""`MetricValues`: metrics and functions by name, over the batches of a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from chainrule.base.metric import Metric, MetricLike
from chainrule.base.metric_total import MetricTotal
from chainrule.base.saved_tensors import version
from chainrule.errors import ContractError
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
        before = version(prediction), version(target)
        for name, total in self._totals.items():
            total.add(prediction, target)
            _expect_untouched(name, prediction, target, before)
        for name, function in self._functions.items():
            # Of tensors created under inference mode, changes are not counted.
            own = prediction.clone() if prediction.is_inference() else prediction
            self._means.add(name, function(own, target), prediction.shape[1])
            _expect_untouched(name, prediction, target, before)

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


def _expect_untouched(name: str, prediction: Tensor, target: Tensor, before: tuple[int, int]) -> None:
    """Raise ContractError if a metric has changed what the others, and the caller, see."""
    now = version(prediction), version(target)
    if now != before:
        part = "prediction" if now[0] != before[0] else "target"
        raise ContractError(
            f'metric "{name}": must leave prediction and target as they are, got the {part} changed in place. '
            "Write operations without the underscore, or change a clone()."
        )
