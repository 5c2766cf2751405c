"""The coefficient of determination."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chainrule_plugins.regression import RegressionMetric

ROUNDING = 1e-13
"""What rounding leaves at most of a difference between equal sums, relative to these; its square, of squared errors."""


class R2(RegressionMetric):
    """The fraction of the target's variance that the prediction explains.

    Value:    ``1 − Σₙ (pₙ − yₙ)² / Σₙ (yₙ − ȳ)²``, of several outputs their mean; of a constant target 1 if no
              error is made, else 0; NaN of a single row
    Shapes:   prediction p and target y alike, (N, …)
    Source:   sklearn.metrics.r2_score
    Raises:   ShapeError if the shapes or dtypes differ.
    """

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        errors, y = self.errors(prediction, target), target.double().reshape(*target.shape[:2], -1)
        mean = y.mean(1, keepdim=True)  # (M, 1, outputs)
        return {
            "residuals": errors.square().sum(1),
            "within": (y - mean).square().sum(1),  # of each batch; between them there is less to cancel
            "targets": y.sum(1),
            "squares": mean.square().sum(1) * target.shape[1],
            "rows": target.shape[1],
        }

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        residuals, squares, rows = sums["residuals"], sums["squares"], sums["rows"]
        between = squares - sums["targets"].square() / rows  # (M, outputs)
        variation = sums["within"] + between.masked_fill(between <= ROUNDING * squares, 0.0)
        of_constant = torch.where(residuals == 0, 1.0, 0.0 * residuals)
        of_each = torch.where(variation <= ROUNDING**2 * squares, of_constant, 1 - residuals / variation)
        return of_each.mean(1).masked_fill(rows < 2, torch.nan)
