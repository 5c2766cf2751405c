"""Orthogonal first values."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from chainrule import ShapeError
from chainrule_plugins.gains import ScaledByGain


class Orthogonal(ScaledByGain):
    """A uniformly distributed orthogonal matrix, times a gain; axes behind the first count as one.

    Values:   gain Q with orthonormal rows or columns, whichever are fewer: from the factors Q R of a normal matrix,
              with the signs that make the diagonal of R positive
    Source:   Saxe, McClelland & Ganguli 2013, arXiv:1312.6120; Mezzadri 2007, arXiv:math-ph/0609050, for the signs
    Raises:   ShapeError if a tensor has fewer than two axes.
    """

    depends_on_shape = True

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.factor / math.sqrt(max(fan_in, fan_out))

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        if tensor.dim() < 2:
            raise ShapeError(
                f"orthogonal: a tensor must have at least two axes, got shape {tuple(tensor.shape)}. "
                "Initialize biases with zeros, for example."
            )
        matrix = torch.empty_like(tensor).normal_(generator=generator).flatten(1)
        is_wide = matrix.shape[0] < matrix.shape[1]
        q, r = torch.linalg.qr(matrix.mT if is_wide else matrix)
        q = q * r.diagonal().sign() * self.factor
        tensor.copy_((q.mT if is_wide else q).reshape(tensor.shape))
