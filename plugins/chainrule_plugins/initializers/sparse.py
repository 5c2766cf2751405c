"""Sparse normal first values."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from chainrule import Initializer, ShapeError, hyperparameter


class Sparse(Initializer):
    """A normal distribution in which each unit reaches few others: a share of every column is 0.

    Values:   ``N(0, scale²)``, and 0 at ``⌈sparsity · rows⌉`` random rows of each column
    Source:   Martens 2010, "Deep learning via Hessian-free optimization", section 5; torch.nn.init.sparse_ calls scale
              std
    Raises:   ShapeError if a tensor is no matrix.
    """

    depends_on_shape = True

    sparsity: float = hyperparameter(default=0.1, at_least=0, at_most=1)
    scale: float = hyperparameter(default=0.01, above=0)

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.scale * math.sqrt(1 - math.ceil(self.sparsity * fan_out) / fan_out)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        if tensor.dim() != 2:
            raise ShapeError(
                f"sparse: a tensor must have two axes, got shape {tuple(tensor.shape)}. Use normal for others."
            )
        tensor.normal_(0, self.scale, generator=generator)
        order = torch.empty_like(tensor).uniform_(generator=generator).argsort(0)
        tensor.scatter_(0, order[: math.ceil(self.sparsity * len(tensor))], 0.0)

    @classmethod
    def examples(cls) -> list[Sparse]:
        return [cls(), cls(sparsity=0.5, scale=1.0)]
