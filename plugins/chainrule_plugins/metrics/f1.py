"""The F1 score of a classifier."""

from __future__ import annotations

from torch import Tensor

from chainrule_plugins.class_counts import ClassCounts, ratio_or_zero


class F1(ClassCounts):
    """The harmonic mean of precision and recall.

    Value:    ``2 right / (predicted + actual)``; 0 where that divides by 0
    Average:  "binary" is the value of class 1, "micro" that of the counts of all classes together, "macro" the mean
              over the classes that occur; one output above threshold, 0.5 of probabilities and 0 of logits, is class 1
    Shapes:   output (N, 1) with a target (N, 1) of zeros and ones, or scores (N, C, …) with class indices (N, …)
    Source:   sklearn.metrics.f1_score
    Raises:   ShapeError for other shapes, an index out of range, or average="binary" of more than two classes.
    """

    def ratio(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        return ratio_or_zero(2 * hits, predicted + actual)
