"""The confusion matrix of a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from chainrule import Metric, hyperparameter
from chainrule_plugins.class_counts import confusion_counts
from chainrule_plugins.class_scores import expect_no_faults


class ConfusionMatrix(Metric):
    """The number of rows of each class that are predicted as each class, a table for `evaluate`.

    Value:    ``Cᵢⱼ = Σₙ [yₙ = i, argmaxₖ pₙₖ = j]``; one output above threshold, 0.5 of probabilities and 0 of logits,
              is class 1
    Shapes:   output (N, 1) with a target (N, 1) of zeros and ones, or scores (N, C, …) with class indices (N, …); value
              (C, C), of an ensemble (M, C, C)
    Source:   sklearn.metrics.confusion_matrix
    Raises:   ShapeError for other shapes, or an index out of range.
    """

    one_number = False
    threshold: float = hyperparameter(default=0.5)
    ignore_index: int | None = None

    @property
    def takes(self) -> Literal["any", "probabilities"]:  # type: ignore[override]
        return "probabilities" if 0 < self.threshold < 1 else "any"

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        counts, faults = confusion_counts(self, prediction, target, self.threshold, self.ignore_index)
        return {"counts": counts, **faults}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        expect_no_faults(self, sums)
        return sums["counts"]
