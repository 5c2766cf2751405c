"""The accuracy of a classifier with one output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from chainrule import Metric, hyperparameter
from chainrule_plugins.class_scores import (
    count_beyond_one,
    expect_one_output,
    expect_two_classes,
    nan_where_undefined,
)


class BinaryAccuracy(Metric):
    """The fraction of rows whose one output is on the target's side of a threshold.

    Value:    ``(1/N) Σₙ [(pₙ > threshold) = (yₙ > ½)]``; 0.5 is the threshold of probabilities, 0 that of logits
    Shapes:   output p (N, 1), target y (N, 1) of zeros and ones
    Source:   sklearn.metrics.accuracy_score
    Raises:   ShapeError for other shapes or labels.
    """

    threshold: float = hyperparameter(default=0.5)

    @property
    def takes(self) -> Literal["any", "probabilities"]:  # type: ignore[override]
        return "probabilities" if 0 < self.threshold < 1 else "any"

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        expect_one_output(self, prediction, target, "Use accuracy for several classes.")
        is_right = ((prediction > self.threshold) == (target > 0.5))[..., 0].double()
        right = nan_where_undefined(is_right, prediction, target).sum(1)
        return {"right": right, "rows": prediction.shape[1], "beyond": count_beyond_one(target)}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        expect_two_classes(self, sums["beyond"])
        return sums["right"] / sums["rows"]

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        ((_, scores, classes),) = super().examples()
        output, target = scores[:, :1], (classes[:, None] > 0).double()
        return [(cls(), output.sigmoid(), target), (cls(threshold=0.0), output, target)]
