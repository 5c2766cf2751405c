"""Metrics: functions ``(prediction, target) -> (M,)``, the mean over the batch for each member."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from chainrule.errors import ShapeError

Metric: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""A mean over the batch, so that a split's value is the mean of its batches' values by their sizes."""


def accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the fraction of rows whose largest score is at the target's class.

    Shapes: prediction (M, N, C), target (M, N) class indices or (M, N, C) probabilities, result (M,)

    Raises:
        ShapeError: for other shapes.
    """
    classes = target.argmax(-1) if target.is_floating_point() and target.dim() == 3 else target
    if prediction.dim() != 3 or classes.shape != prediction.shape[:2]:
        raise ShapeError(
            f"accuracy: target must be class indices (N,) for scores (N, C), got {tuple(target.shape[1:])} for "
            f"{tuple(prediction.shape[1:])}. Use binary_accuracy for one output."
        )
    return (prediction.argmax(-1) == classes).to(prediction.dtype).mean(1)


def binary_accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the fraction of probabilities on the target's side of 0.5.

    Shapes: prediction (M, N, 1), target (M, N, 1) of zeros and ones, result (M,)

    Raises:
        ShapeError: for other shapes.
    """
    if prediction.dim() != 3 or prediction.shape != target.shape or prediction.shape[2] != 1:
        raise ShapeError(
            f"binary_accuracy: prediction and target must have shape (N, 1), got {tuple(prediction.shape[1:])} and "
            f"{tuple(target.shape[1:])}. Use accuracy for several classes."
        )
    return ((prediction > 0.5) == (target > 0.5)).to(prediction.dtype).mean((1, 2))
