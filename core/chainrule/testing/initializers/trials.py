"""Trials of initializers: tensors that they fill."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule.base.initializer import Initializer
from chainrule.errors import ShapeError
from chainrule.testing.compare import expect

FANS = ((6, 24), (30, 4), (16, 16))
"""Pairs of fan_in and fan_out, unequal ones first, which reveal a swap; even ones, which groups may divide."""

SHAPES = ((4, 3), (4, 3, 1))
"""Two shapes of 12 values, of which one fits an initializer for matrices, one an initializer for kernels."""


def drawn(
    initializer: Initializer,
    *shape: int,
    fans: tuple[int, int] = FANS[0],
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return a tensor filled by the initializer, with NaN in elements that it skips."""
    tensor = torch.full(shape, math.nan, dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    initializer(tensor, fan_in=fans[0], fan_out=fans[1], generator=generator)
    return tensor


def shape_that_fits(initializer: Initializer, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the first of the shapes that is not refused; raise CheckFailed if all are."""
    fitting = [shape for shape in shapes if not initializer.depends_on_shape or fits(initializer, shape)]
    expect(bool(fitting), f"one shape of {', '.join(map(str, shapes))} must be filled, got ShapeError for each.")
    return fitting[0]


def fits(initializer: Initializer, shape: tuple[int, ...]) -> bool:
    """Whether the initializer fills a tensor of this shape."""
    try:
        drawn(initializer, *shape)
    except ShapeError:
        return False
    return True
