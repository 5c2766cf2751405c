"""The sum with a vector for each position."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Buffer, Module, Parameter, Shape, ShapeError
from chainrule.initializers import normal
from chainrule.ops import expect_flag, expect_shape, expect_size

BASE = 10_000.0


class PositionalEmbedding(Module):
    """Add to each vector of a sequence one for its position, learned or of sines and cosines.

    Forward:  ``y[t] = x[t] + P[t]`` where P is the weight, or ``P[t, 2i] = sin(t ωᵢ)`` and ``P[t, 2i + 1] = cos(t ωᵢ)``
              with ``ωᵢ = 10000^(−2i / embedding_dim)``
    Backward: ``dx = dy``; ``dP[t] = Σₙ dyₙ[t]`` where P is the weight
    Shapes:   x and y (M, N, T, embedding_dim) with T ≤ num_positions, P (M, num_positions, embedding_dim)
    Source:   Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762; first values of the weight
              like those of GPT-2's other weights, with a standard deviation of 0.02
    Raises:   ShapeError if x is not (N, T, embedding_dim), or has more than num_positions positions.
    """

    def __init__(self, num_positions: int, embedding_dim: int, learned: bool = True) -> None:
        self.num_positions = expect_size(self, "num_positions", num_positions)
        self.embedding_dim = expect_size(self, "embedding_dim", embedding_dim)
        self.learned = expect_flag(self, "learned", learned)
        shape = (self.num_positions, self.embedding_dim)
        if self.learned:
            self.weight = Parameter(*shape, init=normal(scale=0.02), fan_in=1, fan_out=1)
        else:
            self.table = Buffer(*shape, init=sinusoids(*shape), persistent=False, shared=True)

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (None, self.embedding_dim))
        length = input_shape[0]
        if isinstance(length, int) and len(input_shape) == 2 and length > self.num_positions:
            raise ShapeError(
                f"positional_embedding: x must have at most {self.num_positions} positions, got {length}. "
                "Shorten x, or declare the layer for more."
            )
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[3:] != (self.embedding_dim,) or x.shape[2] > self.num_positions:  # after a module without a rule
            self.output_shape(x.shape[2:])
        self.save_for_backward()
        table = self.weight if self.learned else self.table
        return x + table.data[:, : x.shape[2]].unsqueeze(1)  # (M, 1, T, embedding_dim)

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        if self.learned:
            self.weight.grad[:, : grad_output.shape[2]].add_(grad_output.sum(1))
        return grad_output

    @classmethod
    def examples(cls) -> list[tuple[PositionalEmbedding, tuple[int, ...]]]:
        return [(cls(4, 3), (4, 3)), (cls(5, 2), (3, 2)), (cls(4, 3, learned=False), (2, 3))]


def sinusoids(positions: int, dim: int) -> Tensor:
    """Return sines and cosines of each position, in turn, (positions, dim)."""
    frequencies = BASE ** (-torch.arange(0, dim, 2, dtype=torch.float64, device="cpu") / dim)
    angles = torch.arange(positions, dtype=torch.float64, device="cpu").unsqueeze(1) * frequencies
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :dim]
