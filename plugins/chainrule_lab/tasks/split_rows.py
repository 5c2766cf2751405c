"""Rows of one table, put into three splits by a seed."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Splits, random_stream

GRID = 2.0**12
"""Prepared inputs are multiples of its inverse, so that the last bits of a processor's arithmetic never show."""


def split_rows(x: Tensor, y: Tensor, seed: int, task: str) -> Splits:
    """Return three fifths of the rows for training, a fifth for validation and a fifth for the test."""
    order = torch.randperm(len(x), generator=random_stream(seed, task, "splits"), device="cpu")
    first, second = len(x) * 3 // 5, len(x) * 4 // 5
    parts = order[:first], order[first:second], order[second:]
    return Splits(*((as_default(x[rows]), as_default(y[rows])) for rows in parts))


def as_default(values: Tensor) -> Tensor:
    """Return floats in torch's default dtype, integers as they are."""
    return values.to(torch.get_default_dtype()) if values.is_floating_point() else values


def standardized(table: Tensor) -> Tensor:
    """Return columns with mean 0 and deviation 1 over all rows, to the grid.

    Formula: ``(x − x̄) / s``, rounded to 1/4096
    """
    centered = table.double() - table.double().mean(0)
    return on_grid(centered / centered.square().mean(0).sqrt())


def on_grid(values: Tensor) -> Tensor:
    """Return the values rounded to the grid."""
    return (values.double() * GRID).round() / GRID
