"""A running mean of matrices, kept as the means of their rows R and their columns C."""

from __future__ import annotations

from torch import Tensor


def over_factored_root(
    x: Tensor, row: Tensor, column: Tensor, squares: Tensor, eps: float, new: float | Tensor
) -> Tensor:
    """Take squares + eps into R and C with weight new, and return ``x / √V`` as a new tensor, with V = R Cᵀ / mean R.

    The root is taken factor by factor, so that V itself may be too small or too large for its dtype.

    Shapes: x and squares (…, rows, columns), row (…, rows), column (…, columns)
    """
    row.lerp_(squares.mean(-1) + eps, new)
    column.lerp_(squares.mean(-2) + eps, new)
    over_columns = column.rsqrt() * row.mean(-1, keepdim=True).sqrt()
    return (x * row.rsqrt().unsqueeze(-1)).mul_(over_columns.unsqueeze(-2))
