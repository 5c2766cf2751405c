"""Channels as pixels, and back."""

from __future__ import annotations

from torch import Tensor


def from_channels(x: Tensor, r: int) -> Tensor:
    """Return ``y[c, r i + k, r j + l] = x[c r² + k r + l, i, j]``: (M, N, C, r H, r W) for x (M, N, C r², H, W)."""
    members, rows, channels, height, width = x.shape
    blocks = x.reshape(members, rows, channels // r**2, r, r, height, width).permute(0, 1, 2, 5, 3, 6, 4)
    return blocks.reshape(members, rows, channels // r**2, height * r, width * r)


def to_channels(x: Tensor, r: int) -> Tensor:
    """Return ``y[c r² + k r + l, i, j] = x[c, r i + k, r j + l]``: (M, N, C r², H, W) for x (M, N, C, r H, r W)."""
    members, rows, channels, height, width = x.shape
    blocks = x.reshape(members, rows, channels, height // r, r, width // r, r).permute(0, 1, 2, 4, 6, 3, 5)
    return blocks.reshape(members, rows, channels * r**2, height // r, width // r)
