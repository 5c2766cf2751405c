"""What a tensor from outside must be; looked at when something new or wrong is passed, never step by step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.errors import ShapeError, label


def expect_input(owner: object, name: str, value: object, dtype: torch.dtype | None = None) -> None:
    """Raise ShapeError, naming the owner, unless the value is a tensor."""
    if not isinstance(value, Tensor):
        wanted = "…" if dtype is None else f"dtype={dtype}"
        fix = f"torch.as_tensor({name}, {wanted})"
        raise ShapeError(f"{_text(owner)}: {name} must be a tensor, got {shown(value)}. Pass one, as from {fix}.")


def expect_dense(owner: object, name: str, value: Tensor, device: torch.device) -> None:
    """Raise ShapeError, naming the owner, unless the tensor is dense and on the device."""
    if value.is_nested:
        raise ShapeError(
            f"{_text(owner)}: {name} must have rows of one shape, got a nested tensor. "
            "Pad it with torch.nested.to_padded_tensor."
        )
    if value.layout != torch.strided:
        raise ShapeError(
            f"{_text(owner)}: {name} must be dense, got layout {value.layout}. Convert it with .to_dense()."
        )
    if value.device != device:
        raise ShapeError(
            f'{_text(owner)}: {name} must be on {device}, got a tensor on {value.device}. Move it with .to("{device}").'
        )


def expect_in_domain(owner: object, name: str, tensor: Tensor, domain: tuple[float, float], fix: str) -> None:
    """Raise ShapeError, naming the owner, if a number is outside the domain; NaN may stand for any number.

    The tensors that a trace passes have no values, and are of a class of their own.
    """
    if domain == (-math.inf, math.inf) or not tensor.numel() or type(tensor) is not Tensor:
        return
    low, high = (value.item() for value in tensor.aminmax())
    if low < domain[0] or high > domain[1]:
        raise ShapeError(
            f"{_text(owner)}: {name} must be from {domain[0]:g} to {domain[1]:g}, got {low:g} to {high:g}. {fix}"
        )


def _text(owner: object) -> str:
    return owner if isinstance(owner, str) else label(owner)
