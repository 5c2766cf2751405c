"""What losses and metrics of class indices have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from chainrule import Loss, Metric, ShapeError, label
from chainrule.ops import expect_integer, expect_weights


class ClassLoss(Loss):
    """A loss of scores (N, C, …) and class indices (N, …), with class weights and an index to ignore.

    The mean divides by the sum of the weights of what is not ignored; where targets are probabilities instead, by the
    number of terms.
    """

    class_axis = 2

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        weight: Tensor | Sequence[float] | None = None,
        ignore_index: int | None = None,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, members=members)
        self.weight = expect_weights(self, "weight", weight)
        self.ignore_index = None if ignore_index is None else expect_integer(self, "ignore_index", ignore_index)

    def denominator(self, prediction: Tensor, target: Tensor) -> float | Tensor:
        if target.is_floating_point() or not self._weighs:
            return super().denominator(prediction, target)
        index, counts = self._counted_indices(target)
        return self._weights(index, counts, prediction).flatten(1).sum(1)

    @property
    def _weighs(self) -> bool:
        """Whether terms have weights, 0 if they are ignored."""
        return self.weight is not None or self.ignore_index is not None

    def _weights(self, index: Tensor, counts: Tensor | None, prediction: Tensor) -> Tensor:
        """Return the weight of each index (M, N, …) in the prediction's dtype, 0 where it does not count."""
        if self.weight is None:
            return torch.ones_like(index, dtype=prediction.dtype) if counts is None else counts.to(prediction.dtype)
        weights = self.weight.to(prediction).take(index)
        return weights if counts is None else weights * counts

    def _counted_indices(self, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the indices, with 0 where they are ignored, and which count; None if all do."""
        if self.ignore_index is None:
            return target, None
        counts = target != self.ignore_index
        return target * counts, counts


ONE_OUTPUT = "Give the network an output for each class; for a single output use bce_with_logits, or mse for numbers."
"""What to do about predictions of one class."""


def one_class(owner: Loss) -> ShapeError:
    """Return the error of predictions of one class, of which the loss would be 0 whatever they are."""
    return ShapeError(f"{label(owner)}: predictions must have at least 2 classes, got 1. {ONE_OUTPUT}")


def expect_class_indices(owner: Loss, prediction: Tensor, target: Tensor, *, rank: int | None = None) -> None:
    """Raise ShapeError, naming the owner, unless the target is class indices for predictions (M, N, C, …)."""
    shape = prediction.shape
    fits = prediction.dim() >= 3 if rank is None else prediction.dim() == rank
    if not fits or target.is_floating_point() or target.shape != shape[:2] + shape[3:]:
        more = ", …" if rank is None else ""
        fix = ONE_OUTPUT if shape[2:3] == (1,) else "Convert class labels with y.long()."
        raise ShapeError(
            f"{label(owner)}: target must be class indices (N{more}) for predictions (N, C{more}), got {target.dtype} "
            f"{tuple(target.shape[1:])} for {tuple(shape[1:])}. {fix}"
        )
    if target.dtype != torch.int64:
        raise ShapeError(
            f"{label(owner)}: class indices must have dtype torch.int64, got {target.dtype}. "
            "Convert with y.to(torch.int64)."
        )


def expect_class_weights(owner: Loss, weight: Tensor | None, prediction: Tensor) -> None:
    """Raise ShapeError, naming the owner, unless there is a weight for each class, if any."""
    if weight is not None and weight.shape != prediction.shape[2:3]:
        raise ShapeError(
            f"{label(owner)}: weight must have one number for each class, ({prediction.shape[2]},), "
            f"got {tuple(weight.shape)}. Pass one per class."
        )


def gathered(owner: Loss | Metric, prediction: Tensor, index: Tensor, target: Tensor) -> Tensor:
    """Return each index's own score, (M, N, 1, …); raise ShapeError, naming the owner, if there is no such class."""
    try:
        return prediction.gather(2, index)
    except RuntimeError as error:
        raise out_of_range(owner, prediction, target) from error


def out_of_range(owner: Loss | Metric, prediction: Tensor, target: Tensor) -> ShapeError:
    """Return the error of an index that is no class, for predictions (M, N, C, …)."""
    ignored = getattr(owner, "ignore_index", None)
    indices = target if ignored is None else target[target != ignored]
    least, greatest, number = int(indices.min()), int(indices.max()), prediction.shape[2]
    is_shifted = least > 0 and greatest == number
    fix = "Number the classes from 0" if least < 0 or is_shifted else f"Give the network {greatest + 1} outputs"
    return ShapeError(
        f"{label(owner)}: class indices must be from 0 to {number - 1}, got {least} to {greatest}. "
        f"{f'{fix}.' if is_shifted else fix_or_ignore_index(owner, fix)}"
    )


def fix_or_ignore_index(owner: Loss | Metric, fix: str) -> str:
    """Return a sentence with the fix of indices that are no class, or with ignore_index where the owner has it."""
    ignoring = f", or leave a class out with {label(owner)}(ignore_index=…)" if hasattr(owner, "ignore_index") else ""
    return f"{fix}{ignoring}."
