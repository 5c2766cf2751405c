"""The expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chainrule import Metric, hyperparameter
from chainrule_plugins.class_scores import (
    class_indices,
    count_faults,
    counting,
    expect_no_faults,
    nan_where_undefined,
)


class CalibrationError(Metric):
    """The mean distance between confidence and accuracy, over bins of equal width of the confidence.

    Value:    ``(1/N) Σ_b |Σ_{n in b} ([argmaxₖ qₙₖ = yₙ] − maxₖ qₙₖ)|`` with ``q = softmax(logits)`` and n in bin b of
              ``(b/bins, (b + 1)/bins]`` by its largest probability; rows with yₙ = ignore_index, or of zeros, do not
              count
    Shapes:   logits (N, C, …), target class indices y (N, …) or probabilities (N, C, …)
    Source:   Guo et al. 2017, arXiv:1706.04599, eq. (3)
    Raises:   ShapeError for other shapes, an index that is no class, or rows that are no probabilities.
    """

    bins: int = hyperparameter(default=15, at_least=1)
    ignore_index: int | None = None

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        classes = class_indices(self, prediction, target)
        confidence, predicted = prediction.double().softmax(2).max(2)
        is_right = nan_where_undefined((predicted == classes).double(), prediction, target)
        gap = (is_right - confidence).flatten(1)
        counts = counting(classes, target, self.ignore_index)
        if counts is not None:
            gap = gap.masked_fill(~counts.flatten(1), 0.0)
        inner = torch.arange(1, self.bins, dtype=torch.float64, device=gap.device) / self.bins
        bin_of_each = torch.bucketize(confidence.flatten(1), inner)
        gaps = gap.new_zeros(len(gap), self.bins).scatter_add_(1, bin_of_each, gap)
        rows = gap.shape[1] if counts is None else counts.flatten(1).sum(1).double()
        return {"gaps": gaps, "rows": rows, **count_faults(classes, target, prediction.shape[2], counts)}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        expect_no_faults(self, sums)
        return sums["gaps"].abs().sum(1) / sums["rows"]
