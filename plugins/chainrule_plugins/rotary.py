"""Rotary position embedding: vectors turned by angles that grow with their positions."""

from __future__ import annotations

import torch
from torch import Tensor


def angles_like(x: Tensor, base: float) -> Tensor:
    """Return the angles ``t base^(−2i / d)`` of each position t and pair i for x (…, T, d), (T, d / 2)."""
    length, width = x.shape[-2:]
    exponents = torch.arange(0, width, 2, dtype=torch.float64, device=x.device) / width
    positions = torch.arange(length, dtype=torch.float64, device=x.device)
    return torch.outer(positions, base**-exponents).to(x.dtype)


def rotated(x: Tensor, angles: Tensor) -> Tensor:
    """Return x with each pair (a, b) of entries i and i + d / 2 turned, to ``(a cos − b sin, a sin + b cos)``.

    It is undone by the opposite angles, which for the gradient is the backward.

    Shapes: x and result (…, T, d), angles (T, d / 2)
    """
    (a, b), cos, sin = x.chunk(2, -1), angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
