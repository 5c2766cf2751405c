"""The accuracy of a classifier."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule import Metric
from chainrule_plugins.class_scores import (
    class_indices,
    count_faults,
    counting,
    expect_no_faults,
    nan_where_undefined,
    share_of_right,
)


class Accuracy(Metric):
    """The fraction of rows whose largest score is at the target's class.

    Value:    ``(1/N) Σₙ [argmaxₖ pₙₖ = yₙ]``, of equal scores the first; rows with yₙ = ignore_index, or of
              zeros, do not count
    Shapes:   scores p (N, C, …), target class indices y (N, …) or probabilities (N, C, …)
    Source:   sklearn.metrics.accuracy_score
    Raises:   ShapeError for other shapes, an index that is no class, or rows that are no probabilities.
    """

    ignore_index: int | None = None

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        classes = class_indices(self, prediction, target)
        is_right = (prediction.argmax(2) == classes).double()
        right = nan_where_undefined(is_right, prediction, target)
        counts = counting(classes, target, self.ignore_index)
        return {**share_of_right(right, counts), **count_faults(classes, target, prediction.shape[2], counts)}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        expect_no_faults(self, sums)
        return sums["right"] / sums["rows"]
