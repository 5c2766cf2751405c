"""The accuracy of a classifier's first k guesses."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule import Metric, ShapeError, hyperparameter
from chainrule_plugins.class_scores import (
    class_indices,
    count_faults,
    counting,
    expect_no_faults,
    nan_where_undefined,
    share_of_right,
)


class TopKAccuracy(Metric):
    """The fraction of rows whose target is among the k largest scores.

    Value:    ``(1/N) Σₙ [yₙ ∈ topₖ(pₙ)]``; rows with yₙ = ignore_index, or of zeros, do not count
    Shapes:   scores p (N, C, …), target class indices y (N, …) or probabilities (N, C, …)
    Source:   sklearn.metrics.top_k_accuracy_score
    Raises:   ShapeError for other shapes, an index that is no class, rows that are no probabilities, or fewer than k
              classes.
    """

    k: int = hyperparameter(default=2, at_least=1)
    ignore_index: int | None = None

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        classes = class_indices(self, prediction, target)
        if prediction.shape[2] < self.k:
            raise ShapeError(
                f"top_k_accuracy: k must be at most the number of classes, {prediction.shape[2]}, got {self.k}. "
                "Pass a smaller one."
            )
        is_right = (prediction.topk(self.k, 2).indices == classes.unsqueeze(2)).any(2).double()
        right = nan_where_undefined(is_right, prediction, target)
        counts = counting(classes, target, self.ignore_index)
        return {**share_of_right(right, counts), **count_faults(classes, target, prediction.shape[2], counts)}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        expect_no_faults(self, sums)
        return sums["right"] / sums["rows"]
