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
    y: Tensor = operation(x.flatten(0, 1), sizes, *_settings(mode, align_corners, scale, x.shape[3:], sizes))
    return y.reshape(*x.shape[:2], *y.shape[1:])


def interpolated_backward(grad: Tensor, x: Tensor, mode: str, align_corners: bool | None, scale: Any) -> Tensor:
    """Return the adjoint of `interpolated`: each gradient goes to the entries of x of which y is made, by weight."""
    images, sizes, own = grad.flatten(0, 1), grad.shape[3:], x.shape[3:]
    settings = _settings(mode, align_corners, scale, own, sizes)
    if mode == "nearest" and any(
        factor not in (None, new / size) for factor, size, new in zip(settings, own, sizes, strict=True)
    ):
        return _added_back(grad, x, settings)
    operation = _operation(mode, sizes, "_backward")
    dx: Tensor = operation(images, sizes, (len(images), *x.shape[2:]), *settings)
    return dx.reshape(x.shape)


def _added_back(grad: Tensor, x: Tensor, factors: Sequence[Any]) -> Tensor:
    """Return the adjoint of nearest interpolation by factors that sizes cut off, for which torch's is another one.

    Compiled, it takes the ratio of the sizes for the factor; of sequences it copies where both have one size.
    """
    sizes = grad.shape[3:]
    places = torch.arange(x.shape[3:].numel(), dtype=torch.float64, device=x.device).view(1, 1, *x.shape[3:])
    taken = _operation("nearest", sizes)(places, sizes, *factors).flatten().long()  # by each entry of y
    return torch.zeros_like(x.flatten(3)).index_add(3, taken, grad.flatten(3)).view(x.shape)


def _operation(mode: str, sizes: Sequence[int], suffix: str = "") -> Callable[..., Any]:
    operation: Callable[..., Any] = getattr(torch.ops.aten, f"upsample_{mode}{len(sizes)}d{suffix}")
    return operation


def _settings(mode: str, align_corners: bool | None, scale: Any, sizes: Sequence[int], new: Sequence[int]) -> list[Any]:
    factors = list(repeated(scale, len(new)))
    if len(new) == 2:  # whatever the scale, torch copies such an axis, and repeats it twice, but not where compiled
        without = (1, 2) if mode == "nearest" else (1,)
        factors = [
            None if one is None or to / size in without else one
            for one, size, to in zip(factors, sizes, new, strict=True)
        ]
    return [bool(align_corners), *factors] if mode == "bilinear" else factors
