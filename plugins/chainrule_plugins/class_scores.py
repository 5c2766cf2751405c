"""What metrics of classes have in common: the shapes that fit, and rows without a value."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Metric, ShapeError, label


def class_indices(metric: Metric, prediction: Tensor, target: Tensor) -> Tensor:
    """Return the target's classes (M, N, …) for scores (M, N, C, …); of probabilities, the likeliest.

    Raises:
        ShapeError: for other shapes.
    """
    shape = prediction.shape
    classes = target.argmax(2) if target.is_floating_point() and len(shape) > 2 and target.shape == shape else target
    if len(shape) < 3 or shape[2] < 2 or classes.shape != shape[:2] + shape[3:]:
        raise ShapeError(
            f"{label(metric)}: target must be class indices (N, …) or probabilities (N, C, …) for scores (N, C, …), "
            f"got {tuple(target.shape[1:])} for {tuple(shape[1:])}. {_advice(prediction, target)}"
        )
    return classes


def _advice(prediction: Tensor, target: Tensor) -> str:
    """Return the sentence that says what to do about shapes that do not fit."""
    shape = prediction.shape
    if len(shape) > 3 and target.shape == shape[:-1]:
        return "Put the classes on axis 1, with scores.movedim(-1, 1)."
    if len(shape) > 2 and shape[2] > 1:
        is_column = target.shape == (*shape[:2], 1, *shape[3:])
        return "Drop an axis with y.squeeze(1)." if is_column else "Reshape one of them."
    return "Use binary_accuracy for one output."


def expect_one_output(metric: Metric, prediction: Tensor, target: Tensor, advice: str) -> None:
    """Raise ShapeError, with the advice at its end, unless prediction and target are (M, N, 1) alike."""
    if prediction.dim() != 3 or prediction.shape != target.shape or prediction.shape[2] != 1:
        raise ShapeError(
            f"{label(metric)}: prediction and target must have shape (N, 1), got {tuple(prediction.shape[1:])} and "
            f"{tuple(target.shape[1:])}. {advice}"
        )


def nan_where_undefined(values: Tensor, prediction: Tensor, target: Tensor) -> Tensor:
    """Return values (M, N, …) with NaN in each row whose scores (M, N, C, …) or target have one, changed in place."""
    for tensor in (prediction, target):
        if tensor.is_floating_point():
            row = tensor.amax(2) if tensor.dim() > values.dim() else tensor
            values.masked_fill_(row.isnan(), torch.nan)
    return values
