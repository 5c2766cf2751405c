"""The root of the mean squared error."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule_plugins.regression import RegressionMetric


class Rmse(RegressionMetric):
    """The root of the mean squared difference between prediction and target.

    Value:    ``√((1/N) Σₙ (pₙ − yₙ)²)``, of several outputs the mean of their roots
    Shapes:   prediction p and target y alike, (N, …)
    Source:   sklearn.metrics.root_mean_squared_error
    Raises:   ShapeError if the shapes or dtypes differ.
    """

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        return {"squares": self.errors(prediction, target).square().sum(1), "rows": prediction.shape[1]}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return (sums["squares"] / sums["rows"]).sqrt().mean(1)
