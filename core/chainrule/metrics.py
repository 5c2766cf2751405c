"""Metrics: functions ``(prediction, target) -> (M,)``, the mean over the batch for each member."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from chainrule.errors import ShapeError

Metric: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""A mean over the batch, so that a split's value is the mean of its batches' values by their sizes."""


def accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the fraction of rows whose largest score is at the target's class.

    Shapes: prediction (M, N, C), target (M, N) class indices or (M, N, C) probabilities, result (M,); NaN for a member
    that predicts one, since it has diverged, or has one as a target

    Raises:
        ShapeError: for other shapes.
    """
    classes = target.argmax(-1) if target.is_floating_point() and target.dim() == 3 else target
    if prediction.dim() != 3 or prediction.shape[2] < 2 or classes.shape != prediction.shape[:2]:
        raise ShapeError(
            f"accuracy: target must be class indices (N,) for scores (N, C), got {tuple(target.shape[1:])} for "
            f"{tuple(prediction.shape[1:])}. Use binary_accuracy for one output."
        )
    return _fraction(prediction.argmax(-1) == classes, prediction, target)


def binary_accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the fraction of probabilities on the target's side of 0.5.

    Shapes: prediction (M, N, 1), target (M, N, 1) of zeros and ones, result (M,); NaN for a member that predicts one or
    has one as a target

    Raises:
        ShapeError: for other shapes.
    """
    if prediction.dim() != 3 or prediction.shape != target.shape or prediction.shape[2] != 1:
        raise ShapeError(
            f"binary_accuracy: prediction and target must have shape (N, 1), got {tuple(prediction.shape[1:])} and "
            f"{tuple(target.shape[1:])}. Use accuracy for several classes."
        )
    return _fraction(((prediction > 0.5) == (target > 0.5))[..., 0], prediction, target)


def _fraction(is_right: Tensor, prediction: Tensor, target: Tensor) -> Tensor:
    """Return the fraction of rows that are right, (M,); NaN for a member with a row that has one."""
    fraction = is_right.to(prediction.dtype)
    for tensor in (prediction, target):
        row = tensor.amax(-1) if tensor.dim() == 3 else tensor
        fraction.masked_fill_(row.isnan(), torch.nan)
    return fraction.mean(1)
