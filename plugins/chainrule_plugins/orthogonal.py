"""The orthogonalization that rules for matrices share."""

from __future__ import annotations

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b and c of a polynomial that is steep at 0 and takes singular values in (0, 1] to about 0.7 to 1.2."""

EPS = 1e-7
"""The least norm by which a matrix is divided."""


def orthogonalized(
    matrix: Tensor,
    steps: int,
    coefficients: tuple[float, float, float] = COEFFICIENTS,
    eps: float = EPS,
    *,
    bfloat16: bool = False,
) -> Tensor:
    """Return about U Vᵀ for a matrix U S Vᵀ: Newton-Schulz steps ``X ← a X + (b A + c A²) X`` with ``A = X Xᵀ``.

    They start from the matrix over its Frobenius norm, or over eps where that is larger.
    """
    a, b, c = coefficients
    x = matrix.bfloat16() if bfloat16 else matrix
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = x.mT if is_tall else x  # with the smaller X Xᵀ
    x = x / torch.linalg.vector_norm(x).clamp_min(eps)
    for _ in range(steps):
        gram = x @ x.mT
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.addmm(x, polynomial, x, beta=a)
    return (x.mT if is_tall else x).to(matrix.dtype)
