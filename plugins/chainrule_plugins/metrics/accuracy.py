"""The accuracy of a classifier."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule import Metric
from chainrule_plugins.class_scores import class_indices, nan_where_undefined


class Accuracy(Metric):
    """The fraction of rows whose largest score is at the target's class.

    Value:    ``(1/N) Σₙ [argmaxₖ pₙₖ = yₙ]``, of equal scores the first
    Shapes:   scores p (N, C, …), target class indices y (N, …) or probabilities (N, C, …)
    Source:   sklearn.metrics.accuracy_score
    Raises:   ShapeError for other shapes.
    """

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        classes = class_indices(self, prediction, target)
        is_right = (prediction.argmax(2) == classes).double()
        right = nan_where_undefined(is_right, prediction, target)
        return {"right": right.flatten(1).sum(1), "rows": classes[0].numel()}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return sums["right"] / sums["rows"]
