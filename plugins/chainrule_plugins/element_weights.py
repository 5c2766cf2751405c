"""The weights of a loss's single elements, which broadcast against its rows."""

from __future__ import annotations

from torch import Tensor

from chainrule import Loss, ShapeError, label


def expect_broadcast(owner: Loss, name: str, weights: Tensor | None, prediction: Tensor) -> None:
    """Raise ShapeError, naming the owner, unless weights, if any, broadcast against predictions (M, N, …)."""
    if weights is None:
        return
    shape = prediction.shape[1:]
    sizes = zip(reversed(weights.shape), reversed(shape), strict=False)
    if weights.dim() > len(shape) or any(size not in (1, own) for size, own in sizes):
        raise ShapeError(
            f"{label(owner)}: {name} must broadcast against predictions {tuple(shape)}, got {tuple(weights.shape)}. "
            "Pass one for each column, or one for all."
        )


def weighted(terms: Tensor, weights: Tensor | None) -> Tensor:
    """Return the terms, or their gradients, times the weights, if any."""
    return terms if weights is None else terms * weights.to(terms)
