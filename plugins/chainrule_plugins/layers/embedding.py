"""The table that gives each integer a vector."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from chainrule import InitializerLike, Module, Parameter, Shape, ShapeError
from chainrule.initializers import normal
from chainrule.ops import expect_integer, expect_size


class Embedding(Module):
    """Look up a vector for each integer, in a table whose row padding_idx starts at 0 and is not trained.

    Forward:  ``y = W[x]``
    Backward: ``dW[i] = Σ dy`` over the places where x = i, but 0 for i = padding_idx
    Shapes:   any x (M, N, …) of integers from 0 to num_embeddings − 1, W (M, num_embeddings, embedding_dim),
              y (M, N, …, embedding_dim)
    Source:   Bengio et al. 2003, "A neural probabilistic language model"
    Raises:   ShapeError if x is not of integers from 0 to num_embeddings − 1, or padding_idx numbers no row.
    """

    integer_inputs = True

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        weight_init: InitializerLike | None = None,
    ) -> None:
        self.num_embeddings = rows = expect_size(self, "num_embeddings", num_embeddings)
        self.embedding_dim = expect_size(self, "embedding_dim", embedding_dim)
        init = normal() if weight_init is None else weight_init
        self.weight = Parameter(rows, self.embedding_dim, init=init, fan_in=self.embedding_dim, fan_out=rows)
        self.padding_idx = None
        if padding_idx is not None:
            padding_idx = expect_integer(self, "padding_idx", padding_idx)
            if not -rows <= padding_idx < rows:
                raise ShapeError(
                    f"embedding: padding_idx must be from {-rows} to {rows - 1}, got {padding_idx}. "
                    "Number the row that stands for padding, or leave it out."
                )
            self.padding_idx = padding_idx % rows
            self.weight.init = partial(_fill_but_one_row, init, self.padding_idx)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            raise ShapeError(
                f"embedding: x must have integers, got {x.dtype}. Put the embedding in front of the network."
            )
        rows = torch.arange(len(x) * self.num_embeddings, device=x.device).view(len(x), -1)  # of all members' tables
        try:
            index = rows.gather(1, x.long().flatten(1)).flatten()  # checks the range, compiled too
        except RuntimeError as error:
            least, greatest, number = int(x.min()), int(x.max()), self.num_embeddings
            is_shifted = least < 0 or (least > 0 and greatest == number)
            fix = "Number the embeddings from 0." if is_shifted else f"Pass num_embeddings={greatest + 1}."
            raise ShapeError(
                f"embedding: x must be from 0 to {number - 1}, got {least} to {greatest}. {fix}"
            ) from error
        self.save_for_backward(index)
        return self.weight.data.flatten(0, 1).index_select(0, index).view(*x.shape, self.embedding_dim)

    def backward(self, grad_output: Tensor) -> None:
        (index,) = self.saved_tensors()
        grad = self.weight.grad
        padding = None if self.padding_idx is None else grad[:, self.padding_idx].clone()
        grad.flatten(0, 1).index_add_(0, index, grad_output.reshape(-1, self.embedding_dim))
        if padding is not None:
            grad[:, self.padding_idx] = padding

    @classmethod
    def examples(cls) -> list[tuple[Embedding, Tensor]]:
        return [
            (cls(3, 2), torch.tensor([0, 2, 1], device="cpu")),
            (cls(5, 3, padding_idx=3), torch.tensor([[0, 4], [2, 2], [1, 2]], device="cpu")),
        ]


def _fill_but_one_row(init: InitializerLike, row: int, tensor: Tensor, **settings: Any) -> None:
    init(tensor, **settings)
    tensor[row] = 0
