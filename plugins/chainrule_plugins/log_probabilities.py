"""Logarithms of probabilities from scores, for whatever has the classes on one axis."""

from __future__ import annotations

import torch
from torch import Tensor

FEW = 16
"""From so many numbers on a last axis, torch fills the vectors of a CPU with them."""

MANY = 32
"""From so many rows on, the copies that let vectors run across rows take less than they save."""

DTYPES = (torch.float32, torch.float64)
"""Those whose vectors round as single numbers do."""


def log_softmax(scores: Tensor, axis: int) -> Tensor:
    """Return ``scores.log_softmax(axis)``, to rounding; quicker for a few classes on the last axis of many rows.

    Which way is taken depends on no number of members, so that a member's values are the same among any others.
    """
    shape = scores.shape
    if torch.compiler.is_compiling() or shape[-2] < MANY or shape[-1] >= FEW or axis not in (-1, len(shape) - 1):
        return scores.log_softmax(axis)  # where compiling, without a guard on the number of rows
    if scores.dtype not in DTYPES or scores.device.type != "cpu":
        return scores.log_softmax(axis)
    return scores.mT.log_softmax(-2).mT.contiguous()
