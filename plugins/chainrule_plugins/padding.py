"""Padding on both sides of the last axes, and its adjoint."""

from __future__ import annotations

import torch
from torch import Tensor


def least_size(pair: tuple[int, int], mode: str) -> int:
    """Return the least size of an axis that a mode can continue by so many entries before and after."""
    return {"zeros": 1, "reflect": max(pair) + 1, "replicate": 1, "circular": max(1, *pair)}[mode]


def pad(x: Tensor, sides: tuple[tuple[int, int], ...], mode: str) -> Tensor:
    """Return x with its last axes continued on both sides: by zeros, or by the entries that the mode repeats."""
    first = x.dim() - len(sides)
    if mode == "zeros":
        return torch.constant_pad_nd(x, [size for pair in reversed(sides) for size in pair])
    for axis, (before, after) in enumerate(sides, first):
        left, right = _repeated(x.shape[axis], before, after, mode, x.device)
        x = torch.cat([x.index_select(axis, left), x, x.index_select(axis, right)], axis)
    return x


def pad_backward(grad: Tensor, sides: tuple[tuple[int, int], ...], mode: str) -> Tensor:
    """Return the adjoint of `pad`: each added entry's gradient goes to the entry that it repeats."""
    first = grad.dim() - len(sides)
    if mode == "zeros":
        return torch.constant_pad_nd(grad, [-size for pair in reversed(sides) for size in pair])
    for axis, (before, after) in reversed(list(enumerate(sides, first))):
        size = grad.shape[axis] - before - after
        left, right = _repeated(size, before, after, mode, grad.device)
        inner = grad.narrow(axis, before, size).clone()
        inner.index_add_(axis, left, grad.narrow(axis, 0, before))
        grad = inner.index_add_(axis, right, grad.narrow(axis, before + size, after))
    return grad


def _repeated(size: int, before: int, after: int, mode: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the numbers of the entries that stand before and after an axis of this size."""
    left, right = torch.arange(-before, 0, device=device), torch.arange(size, size + after, device=device)
    if mode == "circular":
        return left + size, right - size
    if mode == "reflect":
        return -left, 2 * (size - 1) - right
    return torch.zeros_like(left), torch.full_like(right, size - 1)
