"""What metrics from counts of classes have in common: the confusion matrix, and averages over classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import Metric, ShapeError, hyperparameter, label
from chainrule_plugins.class_indices import out_of_range
from chainrule_plugins.class_scores import (
    class_indices,
    count_beyond_one,
    count_faults,
    counting,
    expect_no_faults,
    expect_one_output,
    expect_two_classes,
    nan_where_undefined,
)


def confusion_counts(
    metric: Metric, prediction: Tensor, target: Tensor, threshold: float, ignore_index: int | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return how often each class was predicted for each actual one, (M, C, C) with rows of actual classes, in float64.

    NaN throughout for a member that has diverged; rows of the actual class ignore_index do not count, nor those of
    zeros. One output (M, N, 1) above the threshold means the second of two classes, as does its target (M, N, 1) above
    ½; scores are (M, N, C, …) with class indices or probabilities, whose sums for `expect_no_faults` are returned too.

    Raises:
        ShapeError: for other shapes, or a class index out of range.
    """
    members, outputs = len(prediction), prediction.shape[2] if prediction.dim() > 2 else 0
    if outputs == 1 and prediction.dim() == 3:
        expect_one_output(metric, prediction, target, "Reshape the target with y.view(-1, 1).")
        expect_two_classes(metric, count_beyond_one(target))
        prediction, target = prediction[..., 0], target[..., 0]
        predicted, actual, classes = (prediction > threshold).long(), (target > 0.5).long(), 2
    else:
        actual = class_indices(metric, prediction, target, of_one_output=label(metric))
        predicted, classes = prediction.argmax(2), outputs
        actual = (actual.nan_to_num() if actual.is_floating_point() else actual).long()
    counting_rows = counting(actual, target, ignore_index)
    faults = count_faults(actual, target, classes, counting_rows) if target.dim() > actual.dim() else {}
    if counting_rows is not None:
        actual = actual * counting_rows  # 0 in place of what is ignored
    undefined = nan_where_undefined(torch.zeros_like(predicted, dtype=torch.float64), prediction, target).flatten(1)
    index = (actual * classes + predicted).flatten(1)
    ones = torch.ones_like(undefined)
    if counting_rows is not None:
        ones, undefined = ones * counting_rows.flatten(1), undefined.masked_fill(~counting_rows.flatten(1), 0.0)
    counts = undefined.new_zeros(members, classes * classes)
    try:
        counts.scatter_add_(1, index, ones)
    except RuntimeError as error:
        raise out_of_range(metric, prediction, actual) from error
    return (counts + undefined.sum(1, keepdim=True)).view(members, classes, classes), faults


class ClassCounts(Metric):
    """A ratio of counts: of the second of two classes ("binary"), of all classes together ("micro"), or their mean."""

    average: Literal["binary", "macro", "micro"] = "binary"
    threshold: float = hyperparameter(default=0.5)
    ignore_index: int | None = None

    @abstractmethod
    def ratio(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        """Return the ratio for counts of right rows, of rows predicted and of actual rows; 0 where nothing counts."""

    @property
    def takes(self) -> Literal["any", "probabilities"]:  # type: ignore[override]
        return "probabilities" if 0 < self.threshold < 1 else "any"

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        counts, faults = confusion_counts(self, prediction, target, self.threshold, self.ignore_index)
        if self.average == "binary" and counts.shape[1] != 2:
            expect_no_faults(self, faults)
            raise ShapeError(
                f'{label(self)}: average="binary" must have one output or scores of 2 classes, got '
                f'{tuple(prediction.shape[1:])}. Pass average="macro" or "micro".'
            )
        return {"hits": counts.diagonal(dim1=1, dim2=2), "predicted": counts.sum(1), "actual": counts.sum(2), **faults}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        expect_no_faults(self, sums)
        counts = [sums[name] for name in ("hits", "predicted", "actual")]  # each (M, C)
        if self.average == "binary":
            return self.ratio(*(count[:, 1] for count in counts))
        if self.average == "micro":
            return self.ratio(*(count.sum(1) for count in counts))
        occurs = counts[1] + counts[2] > 0
        return (self.ratio(*counts) * occurs).sum(1) / occurs.sum(1)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        ((_, scores, classes),) = super().examples()
        one = scores[:, :1].sigmoid(), (classes[:, None] > 0).double()
        two = scores[:, :2], classes.clamp(max=1)
        several = [(cls(average=average), scores, classes) for average in ("macro", "micro")]
        return [(cls(), *one), (cls(), *two), *several]


def ratio_or_zero(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole, 0 where the whole is 0."""
    return (part / whole).masked_fill(whole == 0, 0.0)
