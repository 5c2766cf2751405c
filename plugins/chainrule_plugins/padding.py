"""Padding on both sides of the last axes, its adjoint, and the sizes that it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from chainrule import Shape, ShapeError, label

Sides = tuple[tuple[int, int], ...]
"""How many entries are added before and after each of the last axes."""

CONSTANT = ("constant", "zeros")
"""The modes that add a value; negative numbers crop. The others are reflect, replicate and circular."""


def padded_sizes(owner: object, input_shape: Shape, sides: Sides, mode: str, at_least: tuple[int, ...]) -> Shape:
    """Return the sizes of the last axes with their padding, None where it is not known.

    Raises:
        ShapeError: naming the owner, if an axis is too short for its padding or, with it, less than at_least.
    """
    sizes = (*[None] * len(sides), *input_shape)[-len(sides) :]
    padded: list[int | None] = []
    for axis, (size, pair, lower) in enumerate(zip(sizes, sides, at_least, strict=True), -len(sides)):
        least = max(_least_size(pair, mode), lower - sum(pair))
        if isinstance(size, int) and size < least:
            raise ShapeError(
                f"{label(owner)}: axis {axis} of x must have at least {least} entries for these settings, got {size}. "
                "Pass a larger x, or declare the layer for it."
            )
        padded.append(size + sum(pair) if isinstance(size, int) else None)
    return tuple(padded)


def pad(x: Tensor, sides: Sides, mode: str, value: float = 0.0) -> Tensor:
    """Return x with its last axes continued on both sides, by a value or by the entries that the mode repeats."""
    first = x.dim() - len(sides)
    if mode in CONSTANT:
        return torch.constant_pad_nd(x, _flat(sides), value)
    if mode != "circular":
        images = x.flatten(0, first - 1).unsqueeze(1)
        y: Tensor = _operation(mode, sides)(images, _flat(sides))
        return y.reshape(*x.shape[:first], *y.shape[2:])
    for axis, (before, after) in enumerate(sides, first):
        size = x.shape[axis]
        x = torch.cat([x.narrow(axis, size - before, before), x, x.narrow(axis, 0, after)], axis)
    return x


def pad_backward(grad: Tensor, sides: Sides, mode: str) -> Tensor:
    """Return the adjoint of `pad`: each added entry's gradient goes to the entry that it repeats."""
    first = grad.dim() - len(sides)
    if mode in CONSTANT:
        return torch.constant_pad_nd(grad, [-size for size in _flat(sides)])
    if mode != "circular":
        images = grad.flatten(0, first - 1).unsqueeze(1)
        of_shape = images
        for axis, (before, after) in enumerate(sides, 2):
            of_shape = of_shape.narrow(axis, before, images.shape[axis] - before - after)
        dx: Tensor = _operation(mode, sides, "_backward")(images, of_shape, _flat(sides))
        return dx.reshape(*grad.shape[:first], *dx.shape[2:])
    for axis, (before, after) in reversed(list(enumerate(sides, first))):
        size = grad.shape[axis] - before - after
        inner = grad.narrow(axis, before, size).clone()
        inner.narrow(axis, size - before, before).add_(grad.narrow(axis, 0, before))
        inner.narrow(axis, 0, after).add_(grad.narrow(axis, before + size, after))
        grad = inner
    return grad


def _flat(sides: Sides) -> list[int]:
    """Return the numbers in torch's order, the last axis first."""
    return [size for pair in reversed(sides) for size in pair]


def _operation(mode: str, sides: Sides, suffix: str = "") -> Callable[..., Any]:
    """Return torch's operation on (images, 1, …) for one to three axes."""
    name = {"reflect": "reflection", "replicate": "replication"}[mode]
    operation: Callable[..., Any] = getattr(torch.ops.aten, f"{name}_pad{len(sides)}d{suffix}")
    return operation


def _least_size(pair: tuple[int, int], mode: str) -> int:
    """Return the least size of an axis that a mode can continue by so many entries before and after."""
    if mode in CONSTANT:
        return max(1, *(-size for size in pair))
    return {"reflect": max(pair) + 1, "replicate": 1, "circular": max(1, *pair)}[mode]
