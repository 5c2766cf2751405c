"""Standardization to mean 0 and variance 1, which several layers share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule import ShapeError, label
from chainrule.ops import expect_size


def standardized(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``x̂ = (x − μ) / σ`` with ``σ = √(var + eps)``, μ and 1 / σ, by mean and variance over the last axis.

    Shapes: x and x̂ (…, D), μ and 1 / σ (…, 1)
    """
    return torch.native_layer_norm(x, x.shape[-1:], None, None, eps)


def standardized_backward(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    """Return ``dx = (dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)) / σ``, means over the last axis, given dx̂, x, μ and 1 / σ.

    Written out it takes three times as long for large batches, each term being a pass through memory.
    """
    wanted = [True, False, False]  # dx, and neither weight nor bias, which differ among members
    grads = torch.ops.aten.native_layer_norm_backward(grad, x, x.shape[-1:], mean, inverse, None, None, wanted)
    dx: Tensor = grads[0]
    return dx


def expect_sizes(owner: object, name: str, sizes: int | Sequence[int]) -> tuple[int, ...]:
    """Return one or several sizes as a tuple; raise ShapeError, naming the owner, unless each is an integer above 0."""
    if not isinstance(sizes, Sequence):
        return (expect_size(owner, name, sizes),)
    if not sizes:
        raise ShapeError(f"{label(owner)}: {name} must have at least one size, got {sizes!r}. Pass 3, or (3, 4).")
    return tuple(expect_size(owner, name, size) for size in sizes)
