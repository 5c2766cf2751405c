"""What metrics of classes have in common: the shapes that fit, and rows without a value."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chainrule import Metric, ShapeError, label
from chainrule_plugins.class_indices import fix_or_ignore_index

OF_SEVERAL_LABELS = (
    "For several labels with logits pass lambda p, y: ((p > 0) == (y > 0.5)).flatten(1).double().mean(1)."
)
"""What to do about labels of 0 and 1 in the shape of several outputs, or of a mask."""


def class_indices(
    metric: Metric, prediction: Tensor, target: Tensor, *, of_one_output: str = "binary_accuracy"
) -> Tensor:
    """Return the target's classes (M, N, …) for scores (M, N, C, …); of probabilities, the likeliest.

    Whether they are classes and probabilities, `count_faults` shows. Messages name the metric `of_one_output`.

    Raises:
        ShapeError: for other shapes.
    """
    shape = prediction.shape
    classes = target.argmax(2) if target.is_floating_point() and len(shape) > 2 and target.shape == shape else target
    if len(shape) < 3 or shape[2] < 2 or classes.shape != shape[:2] + shape[3:]:
        raise ShapeError(
            f"{label(metric)}: target must be class indices (N, …) or probabilities (N, C, …) for scores (N, C, …), "
            f"got {tuple(target.shape[1:])} for {tuple(shape[1:])}. {_advice(prediction, target, of_one_output)}"
        )
    return classes


def _advice(prediction: Tensor, target: Tensor, of_one_output: str) -> str:
    """Return the sentence that says what to do about shapes that do not fit."""
    shape = prediction.shape
    if len(shape) > 3 and target.shape == shape[:-1]:
        return "Put the classes on axis 1, with scores.movedim(-1, 1)."
    if len(shape) > 2 and shape[2] > 1:
        is_column = target.shape == (*shape[:2], 1, *shape[3:])
        return "Drop an axis with y.squeeze(1)." if is_column else "Reshape one of them."
    if target.shape == shape and len(shape) > 3:
        return OF_SEVERAL_LABELS
    if target.dim() > len(shape) == 2:
        return "Pass the network's output first, then the target."
    return f"Pass scores of two classes or more; {of_one_output} takes one output and its target, both (N, 1)."


def expect_one_output(metric: Metric, prediction: Tensor, target: Tensor, advice: str) -> None:
    """Raise ShapeError unless prediction and target are (M, N, 1) alike, with the advice where no axis is missing."""
    if prediction.dim() != 3 or prediction.shape != target.shape or prediction.shape[2] != 1:
        if prediction.dim() > 2 and prediction.shape == target.shape:
            advice = OF_SEVERAL_LABELS if prediction.shape[2] == 1 else f"{advice} {OF_SEVERAL_LABELS}"
        lack = [
            name for name, each in {"prediction": prediction, "y": target}.items() if each.shape == prediction.shape[:2]
        ]
        if lack and (prediction.dim() == 2 or prediction.shape[2] == 1):
            advice = f"Give the axis with {' and '.join(f'{name}.unsqueeze(1)' for name in lack)}."
        raise ShapeError(
            f"{label(metric)}: prediction and target must have shape (N, 1), got {tuple(prediction.shape[1:])} and "
            f"{tuple(target.shape[1:])}. {advice}"
        )


def counting(classes: Tensor, target: Tensor, ignore_index: int | None) -> Tensor | None:
    """Return which of the target's classes (M, N, …) count, not those of rows of zeros; None if all do."""
    counts = None if ignore_index is None else classes != ignore_index
    if target.dim() == classes.dim():
        return counts
    has_class = target.sum(2) != 0
    return has_class if counts is None else counts & has_class


def share_of_right(is_right: Tensor, counts: Tensor | None) -> dict[str, Tensor | float]:
    """Return the sums "right" and "rows" for rows (M, N, …) that are right, in float64, and what counts."""
    if counts is None:
        return {"right": is_right.flatten(1).sum(1), "rows": is_right[0].numel()}
    return {"right": is_right.masked_fill(~counts, 0.0).flatten(1).sum(1), "rows": counts.flatten(1).sum(1).double()}


def count_faults(classes: Tensor, target: Tensor, number: int, counts: Tensor | None) -> dict[str, Tensor]:
    """Return the sum, in float64, of rows whose target is neither a class nor probabilities.

    That is "outside", indices that count and are below 0 or beyond number − 1, (M, 2), or "improper" of rows of
    probabilities, (M,).
    """
    if target.dim() > classes.dim():
        totals = target.sum(2)
        is_improper = ((totals - 1).abs() > 0.01) & (totals != 0) | (target.amin(2) < 0)
        return {"improper": is_improper.flatten(1).sum(1).double()}
    outside = torch.stack([classes < 0, classes >= number], -1)
    outside = outside if counts is None else outside & counts.unsqueeze(-1)
    return {"outside": outside.flatten(1, -2).sum(1).double()}


def expect_no_faults(metric: Metric, sums: Mapping[str, Tensor]) -> None:
    """Raise ShapeError if rows had no class, by the sums of `count_faults`; looked at once for all batches."""
    if "improper" in sums and sums["improper"].any():
        raise ShapeError(
            f"{label(metric)}: targets in the shape of the scores must be probabilities, rows of at least 0 that sum "
            f"to 1, or to 0 where one is not to count, got {int(sums['improper'].max())} that are none. "
            f"{OF_SEVERAL_LABELS}"
        )
    below, beyond = sums["outside"].amax(0).tolist() if "outside" in sums else (0, 0)
    if below or beyond:
        fix = "Number the classes from 0" if below else "Give the network an output for each class, numbered from 0"
        raise ShapeError(
            f"{label(metric)}: class indices must be from 0 on and below the number of classes, got {below:.0f} below "
            f"0 and {beyond:.0f} too large. {fix_or_ignore_index(metric, fix)}"
        )


def count_beyond_one(target: Tensor) -> Tensor:
    """Return for each member how many targets (M, N, …) are beyond ±1, so that they are no labels of two classes."""
    return ((target > 1) | (target < -1)).flatten(1).sum(1).double()


def expect_two_classes(metric: Metric, beyond: Tensor) -> None:
    """Raise ShapeError if there were targets that are no labels of two classes; looked at once for all batches."""
    if beyond.any():
        raise ShapeError(
            f"{label(metric)}: targets must be labels 0 and 1, got {int(beyond.max())} beyond 1. Renumber the labels."
        )


def nan_where_undefined(values: Tensor, prediction: Tensor, target: Tensor) -> Tensor:
    """Return values (M, N, …) with NaN in each row whose scores (M, N, C, …) or target have one, changed in place."""
    for tensor in (prediction, target):
        if tensor.is_floating_point():
            row = tensor.amax(2) if tensor.dim() > values.dim() else tensor
            values.masked_fill_(row.isnan(), torch.nan)
    return values
