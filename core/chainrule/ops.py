"""Tensor operations that many components share, written once for speed."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from chainrule.base.parameter import Parameter


def affine(x: Tensor, weight: Parameter, bias: Parameter | None) -> Tensor:
    """Return ``x Wᵀ + b`` per member.

    Shapes: x (M, N, in), weight (out, in), bias (out), result (M, N, out)
    """
    if bias is None:
        return torch.bmm(x, weight.transposed)
    return torch.baddbmm(bias.row, x, weight.transposed)


def accumulate(weight: Parameter, bias: Parameter | None, x: Tensor, grad_output: Tensor) -> None:
    """Add the gradients of `affine`: ``dW += dyᵀ x`` and ``db += 1ᵀ dy``.

    Shapes: x (M, N, in), grad_output (M, N, out), weight (out, in), bias (out)
    """
    weight.grad.baddbmm_(grad_output.mT, x)
    if bias is not None:
        # A product with ones, accumulated where it belongs, is faster than a sum and then an addition.
        members, rows, _ = grad_output.shape
        bias.grad_row.baddbmm_(_ones(members, rows, grad_output.dtype, grad_output.device), grad_output)


def square_root(x: Tensor) -> Tensor:
    """Return √x for x ≥ 0 as a new tensor, where 0 gives the root of the smallest normal number.

    On a CPU the root of an exact 0, as a unit that is never active leaves in every running mean of squares, takes
    twenty times as long as any other root. The root of the smallest normal number is 1e-19 in float32.
    """
    return x.clamp_min(torch.finfo(x.dtype).tiny).sqrt_()


@lru_cache(maxsize=64)
def _ones(members: int, rows: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.ones(1, 1, rows, dtype=dtype, device=device).expand(members, 1, rows)
