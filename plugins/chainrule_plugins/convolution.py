"""What convolutions share: sizes by axis, padding and its adjoint, and the product with the kernel per member."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule import ChainruleError, HyperparameterError, Parameter, Shape, ShapeError, label
from chainrule.ops import expect_integer, expect_size

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def by_axis(owner: object, name: str, value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """Return one size for each axis; raise ShapeError, naming the owner, unless it is one size or as many as axes."""
    sizes = _repeat(value, axes)
    if len(sizes) != axes:
        raise ShapeError(f"{label(owner)}: {name} must have {axes} numbers, got {value!r}. Pass one number, or {axes}.")
    return tuple(expect_size(owner, name, size) for size in sizes)


def paddings(
    owner: object,
    padding: int | Sequence[int] | str,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    """Return what is added before and after each axis; "same" puts the odd one after, as torch does."""
    axes, word = len(kernel_size), padding if isinstance(padding, str) else ""
    if word == "same":
        if any(step > 1 for step in stride):
            raise HyperparameterError(
                f"{label(owner)}: stride must be 1 with padding='same', got {stride}. Pass the padding as a number."
            )
        totals = [step * (size - 1) for step, size in zip(dilation, kernel_size, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    try:
        sizes = [expect_integer(owner, "padding", size) for size in _repeat(0 if word == "valid" else padding, axes)]
    except ChainruleError:
        sizes = []
    if len(sizes) != axes or min(sizes) < 0:
        raise ShapeError(
            f'{label(owner)}: padding must be "same", "valid" or {axes} integers of at least 0, got {padding!r}. '
            "Pass one of these, or one integer for every axis."
        )
    return tuple((size, size) for size in sizes)


def output_sizes(
    owner: object,
    input_shape: Shape,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    sides: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    mode: str,
) -> Shape:
    """Return the size of each axis after a convolution, None where it is not known; raise ShapeError if it is empty."""
    sizes = (*[None] * len(kernel_size), *input_shape)[-len(kernel_size) :]
    return tuple(
        _output_size(owner, size, step * (kernel - 1) + 1, hop, pair, mode) if isinstance(size, int) else None
        for size, kernel, hop, pair, step in zip(sizes, kernel_size, stride, sides, dilation, strict=True)
    )


def _output_size(owner: object, size: int, extent: int, stride: int, pair: tuple[int, int], mode: str) -> int:
    least = {"zeros": 0, "reflect": max(pair) + 1, "replicate": 1, "circular": max(pair)}[mode]
    least = max(least, extent - sum(pair), 1)
    if size < least:
        raise ShapeError(
            f"{label(owner)}: each axis of an image must have at least {least} entries for this kernel and padding, "
            f"got {size}. Pass larger images, or declare a smaller kernel or padding."
        )
    return (size + sum(pair) - extent) // stride + 1


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


def merged(x: Tensor) -> Tensor:
    """Return (M, N, C, …) as (N, M C, …), where groups of channels keep the members apart."""
    return x.transpose(0, 1).flatten(1, 2)


def split(y: Tensor, members: int) -> Tensor:
    """Return (N, M C, …) as (M, N, C, …)."""
    return y.view(len(y), members, y.shape[1] // members, *y.shape[2:]).transpose(0, 1)


def accumulate(parameter: Parameter, grad: Tensor) -> None:
    """Add the gradient of a parameter with members and first axis merged, (M O, …)."""
    parameter.grad.add_(grad.view_as(parameter.grad))


def _repeated(size: int, before: int, after: int, mode: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the numbers of the entries that stand before and after an axis of this size."""
    left, right = torch.arange(-before, 0, device=device), torch.arange(size, size + after, device=device)
    if mode == "circular":
        return left + size, right - size
    if mode == "reflect":
        return -left, 2 * (size - 1) - right
    return torch.zeros_like(left), torch.full_like(right, size - 1)


def _repeat(value: object, axes: int) -> tuple[Any, ...]:
    """Return a sequence as a tuple, and anything else once for each axis."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes
