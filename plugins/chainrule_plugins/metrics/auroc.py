"""The area under the receiver operating characteristic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule import Metric
from chainrule_plugins.class_scores import (
    count_beyond_one,
    expect_one_output,
    expect_two_classes,
    nan_where_undefined,
)


class Auroc(Metric):
    """The probability that a row of class 1 has a larger score than one of class 0, equal scores counted as half.

    Value:    ``(Σₙ rₙ yₙ / P − (P + 1) / 2) / (N − P)`` with ranks r and ``P = Σₙ yₙ``; NaN for rows of one class
    Shapes:   score (N, 1), target y (N, 1) of zeros and ones
    Source:   sklearn.metrics.roc_auc_score; the rank form of Mann & Whitney 1947
    Raises:   ShapeError for other shapes or labels.
    """

    joins_rows = True

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        expect_one_output(self, prediction, target, "Of two classes, pass the score of the second.")
        positive = nan_where_undefined((target > 0.5)[..., 0].double(), prediction, target)
        expect_two_classes(self, count_beyond_one(target))
        return {"score": prediction[..., 0], "positive": positive}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        score, positive = sums["score"].contiguous(), sums["positive"]  # (M, N)
        below, up_to = (torch.searchsorted(score.sort(1).values, score, right=right) for right in (False, True))
        count = positive.sum(1)
        mean_rank = ((below + up_to + 1) / 2.0 * positive).sum(1) / count
        return (mean_rank - (count + 1) / 2) / (positive.shape[1] - count)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        ((metric, scores, classes),) = super().examples()
        return [(metric, scores[:, :1].round(decimals=1), (classes[:, None] > 0).double())]
