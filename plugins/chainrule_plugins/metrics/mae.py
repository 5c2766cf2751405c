"""The mean absolute error."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule_plugins.regression import RegressionMetric


class Mae(RegressionMetric):
    """The mean absolute difference between prediction and target.

    Value:    ``(1/N) Σₙ |pₙ − yₙ|``, of several outputs their mean
    Shapes:   prediction p and target y alike, (N, …)
    Source:   sklearn.metrics.mean_absolute_error
    Raises:   ShapeError if the shapes or dtypes differ.
    """

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        return {"errors": self.errors(prediction, target).abs().sum(1), "rows": prediction.shape[1]}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return sums["errors"].mean(1) / sums["rows"]
