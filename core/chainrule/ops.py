"""Tensor operations that many components share, written once for speed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from chainrule.arguments import advice, flag, integer, number
from chainrule.arguments import shown as shown
from chainrule.base.declarations import expect_schedule as expect_schedule
from chainrule.base.module import Module, Shape
from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.errors import ChainruleError, ContractError, HyperparameterError, ShapeError, label


def affine(x: Tensor, weight: Parameter, bias: Parameter | None) -> Tensor:
    """Return ``x Wᵀ + b`` per member.

    Shapes: x (M, …, in), weight (out, in), bias (out), result (M, …, out)
    """
    if x.dim() != 3:
        if x.dim() < 3:
            raise ShapeError(
                f"forward: x must have the member axis in front, (M, N, …, {weight.shape[-1]}), got {tuple(x.shape)}. "
                "Call what build() returns: network = module.build(), network(x)."
            )
        return affine(x.flatten(1, -2), weight, bias).view(*x.shape[:-1], weight.shape[0])
    if bias is None:
        return torch.bmm(x, weight.transposed)
    return torch.baddbmm(bias.row, x, weight.transposed)


def affine_backward(
    x: Tensor, weight: Parameter, bias: Parameter | None, grad_output: Tensor, *, input_grad: bool = True
) -> Tensor | None:
    """Accumulate the gradients of `affine`, ``dW += dyᵀ x`` and ``db += 1ᵀ dy``; return ``dx = dy W`` if asked for.

    Shapes: x (M, …, in), grad_output (M, …, out), weight (out, in), bias (out), result as x
    """
    if x.dim() != 3:
        rows, grad_rows = x.flatten(1, -2), grad_output.flatten(1, -2)
        grad = affine_backward(rows, weight, bias, grad_rows, input_grad=input_grad)
        return None if grad is None else grad.view(x.shape)
    weight.grad.baddbmm_(grad_output.mT, x)
    if bias is not None:
        # A product with ones, accumulated in place, is faster than a sum and then an addition.
        members, count, _ = grad_output.shape
        bias.grad_row.baddbmm_(_ones(members, count, grad_output.dtype, grad_output.device), grad_output)
    return torch.bmm(grad_output, weight.data) if input_grad else None


def expect_tensor(owner: object, output: object) -> None:
    """Raise ContractError, naming the owner, unless the output of its forward is one tensor."""
    if not isinstance(output, Tensor):
        raise ContractError(
            f"{label(owner)}: forward must return one tensor, got a {type(output).__name__}. "
            "Concatenate several outputs, and split them in the loss."
        )


def expect_module(owner: object, name: str, module: object) -> None:
    """Raise ChainruleError, naming the owner, unless this is a module, ready for use."""
    if isinstance(module, type) or not isinstance(module, Module | ModuleLike):  # its class has the methods too
        several = isinstance(module, list | tuple | Iterator)
        owner = owner if isinstance(owner, str) else label(owner)
        fix = f"Pass modules one by one: {owner}(*modules)." if several else advice("module", module)
        raise ChainruleError(f"{owner}: {name} must be a module, got {shown(module)}. {fix}")


def shape_after(module: ModuleLike, input_shape: Shape) -> Shape:
    """Return the shape of one output of a module, ``(...,)`` if it has no rule; raise ContractError unless a tuple."""
    rule = getattr(module, "output_shape", None)
    shape: Shape = (...,) if rule is None else rule(input_shape)
    if not isinstance(shape, tuple):
        raise ContractError(
            f"{label(module)}: output_shape must return a tuple, got {shown(shape)}. Return the shape of one output."
        )
    return shape


def expect_size(owner: object, name: str, size: int, *, at_least: int = 1) -> int:
    """Return a size as Python's int; raise ShapeError, naming the owner, unless it is an integer of at least that."""
    return integer(label(owner), name, size, at_least=at_least, error=ShapeError)


def expect_integer(owner: object, name: str, value: int) -> int:
    """Return an integer as Python's int; raise ChainruleError, naming the owner, unless it is one."""
    return integer(label(owner), name, value)


def expect_number(
    owner: object,
    name: str,
    value: float,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
) -> float:
    """Return a number as Python's; raise HyperparameterError, naming the owner, unless it is finite and in bounds."""
    return number(label(owner), name, value, at_least=at_least, above=above, at_most=at_most)


def expect_flag(owner: object, name: str, value: bool) -> bool:
    """Return a truth value as Python's bool; raise ChainruleError, naming the owner, unless it is True or False."""
    return flag(label(owner), name, value)


def expect_word(owner: object, name: str, word: str, words: Sequence[str]) -> str:
    """Return a word; raise HyperparameterError, naming the owner, unless it is one of these."""
    if not isinstance(word, str) or word not in words:
        known = ", ".join(f'"{one}"' for one in words)
        raise HyperparameterError(f"{label(owner)}: {name} must be one of {known}, got {shown(word)}. Choose one.")
    return word


def expect_weights(owner: object, name: str, weights: Tensor | Sequence[float] | float | None) -> Tensor | None:
    """Return weights as a float64 tensor.

    Raises:
        HyperparameterError: naming the owner, unless they are finite.
    """
    if weights is None:
        return None
    try:
        numbers = weights.tolist() if hasattr(weights, "tolist") else weights  # whatever an array's layout or dtype
        found = torch.tensor(numbers, dtype=torch.float64, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        found = torch.tensor(math.nan, device="cpu")
    if not found.isfinite().all():
        raise HyperparameterError(
            f"{label(owner)}: {name} must be finite numbers, got {shown(weights)}. Pass a tensor."
        )
    return found


def expect_alike(owner: object, prediction: Tensor, target: Tensor) -> None:
    """Raise ShapeError, naming the owner, unless a loss's prediction and target have the same shape and dtype."""
    if prediction.shape != target.shape or prediction.dtype != target.dtype:
        raise ShapeError(
            f"{label(owner)}: target must have the prediction's shape and dtype, {tuple(prediction.shape[1:])} "
            f"{prediction.dtype}, got {tuple(target.shape[1:])} {target.dtype}. Reshape or convert it; nothing is "
            "broadcast."
        )


def expect_shape(owner: object, input_shape: Shape, expected: Shape) -> None:
    """Raise ShapeError, naming the owner, unless one example's shape is the expected one.

    An expected shape that begins with ``...`` admits any leading axes: ``expect_shape(self, shape, (..., 3))``. Axes
    that are not known, None and ``...``, fit.
    """
    if not isinstance(input_shape, tuple | list):
        raise ContractError(
            f"{label(owner)}: the shape of x must be a tuple, got {shown(input_shape)}. Pass that of one input, (3,)."
        )
    got, wanted = (shape[1:] if shape[:1] == (...,) else shape for shape in (input_shape, expected))
    is_open, admits_more = input_shape[:1] == (...,), expected[:1] == (...,)
    too_short, too_long = len(got) < len(wanted) and not is_open, len(got) > len(wanted) and not admits_more
    if too_short or too_long or not _fit(got, wanted):
        raise ShapeError(
            f"{label(owner)}: x must have shape {_shown(expected)}, got {_shown(input_shape)}. {_advice(got, wanted)}"
        )


def _fit(got: Shape, wanted: Shape) -> bool:
    """Return whether the last axes have the same sizes, as far as these are known."""
    return all(None in pair or pair[0] == pair[1] for pair in zip(reversed(got), reversed(wanted), strict=False))


def _advice(got: Shape, wanted: Shape) -> str:
    """Return the sentence on what to do about an x whose channels are last, or that lacks an axis of size 1."""
    if None not in got and len(got) == len(wanted) > 1 and _fit((got[-1], *got[:-1]), wanted):
        return "Permute its axes with x.movedim(-1, 1)."
    if len(got) == len(wanted) - 1:
        for axis, size in enumerate(wanted):
            if size == 1 and _fit((*got[:axis], 1, *got[axis:]), wanted):
                return f"Add an axis with x.unsqueeze({axis + 1})."
    return "Reshape x, or declare the layer for it."


def with_members(dim: int) -> int:
    """Return the number of an axis in (M, N, …), given its number in (N, …)."""
    return dim if dim < 0 else dim + 1


def expect_axis(owner: object, dim: int, input_shape: Shape, name: str = "dim") -> None:
    """Raise ShapeError, naming owner and argument, unless one example has the axis dim, numbered as in (N, …)."""
    if integer(label(owner), name, dim) and input_shape[:1] == (...,):
        return
    rank = len(input_shape)
    if not (1 <= dim <= rank or -rank <= dim <= -1):
        fix = "Axis 0 is the batch." if dim == 0 else "Count from 1 behind the batch axis, or from -1."
        raise ShapeError(f"{label(owner)}: {name} must be an axis of x {_shown(input_shape)}, got {dim}. {fix}")


def halved(owner: object, dim: int, input_shape: Shape) -> Shape:
    """Return the shape of one example with half the axis dim, numbered as in (N, …).

    Raises:
        ShapeError: naming the owner, if there is no such axis, or its size is odd.
    """
    expect_axis(owner, dim, input_shape)
    if input_shape[:1] == (...,):
        return (...,)
    shape, axis = list(input_shape), dim if dim < 0 else dim - 1
    size = shape[axis]
    if isinstance(size, int):
        if size % 2:
            raise ShapeError(
                f"{label(owner)}: axis {dim} of x {_shown(input_shape)} must be even, got {size}. It is halved."
            )
        shape[axis] = size // 2
    return tuple(shape)


def _shown(shape: Shape) -> str:
    """Return the shape of a batch of such examples as messages show it: ``(N, …, 3)``."""
    names = ("…" if size is ... else "?" if size is None else str(size) for size in shape)
    return f"({', '.join(['N', *names])})"


def square_root(x: Tensor) -> Tensor:
    """Return √x for x ≥ 0 as a new tensor; 0, and all below the smallest normal number, gives the root of that.

    On a CPU the root of an exact 0, as a unit that is never active leaves in every running mean of squares, takes
    twenty times as long as any other root. The root of the smallest normal number is 1e-19 in float32.
    """
    return x.clamp_min(torch.finfo(x.dtype).tiny).sqrt_()


@lru_cache(maxsize=64)
def _ones(members: int, rows: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.ones(1, 1, rows, dtype=dtype, device=device).expand(members, 1, rows)
