"""Interpolation of images and sequences, and its adjoint, by torch's operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule_plugins.sizes import repeated


def interpolated(x: Tensor, sizes: Sequence[int], mode: str, align_corners: bool | None, scale: Any) -> Tensor:
    """Return x (M, N, C, …) in these sizes, of which the scale by axis is that of the coordinates, if not None."""
    operation = _operation(mode, sizes)
    y: Tensor = operation(x.flatten(0, 1), sizes, *_settings(mode, align_corners, scale, sizes))
    return y.reshape(*x.shape[:2], *y.shape[1:])


def interpolated_backward(grad: Tensor, x: Tensor, mode: str, align_corners: bool | None, scale: Any) -> Tensor:
    """Return the adjoint of `interpolated`: each gradient goes to the entries of x of which y is made, by weight."""
    images, sizes = grad.flatten(0, 1), grad.shape[3:]
    shape = (len(images), *x.shape[2:])
    operation = _operation(mode, sizes, "_backward")
    dx: Tensor = operation(images, sizes, shape, *_settings(mode, align_corners, scale, sizes))
    return dx.reshape(x.shape)


def _operation(mode: str, sizes: Sequence[int], suffix: str = "") -> Callable[..., Any]:
    operation: Callable[..., Any] = getattr(torch.ops.aten, f"upsample_{mode}{len(sizes)}d{suffix}")
    return operation


def _settings(mode: str, align_corners: bool | None, scale: Any, sizes: Sequence[int]) -> list[Any]:
    corners = [bool(align_corners)] if mode == "bilinear" else []
    return [*corners, *repeated(scale, len(sizes))]
