"""A half gated by the sigmoid of the other."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module, Shape
from chainrule.ops import halved, with_members


class Glu(Module):
    """Multiply one half of an axis by the sigmoid of the other.

    Forward:  ``y = a σ(b)``
    Backward: ``da = dy σ(b)``, ``db = dy a σ(b) (1 − σ(b))``
    Shapes:   x (N, …) with an even axis dim, numbered as in torch, of which a is the first half and b the second;
              y (N, …) with half that axis
    Source:   Dauphin, Fan, Auli & Grangier 2016, arXiv:1612.08083
    Raises:   ShapeError if x has no axis dim, or it is odd or the batch axis.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def output_shape(self, input_shape: Shape) -> Shape:
        return halved(self, self.dim, input_shape)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, with_members(self.dim))
        gate = b.sigmoid()
        self.save_for_backward(a, gate)
        return a * gate

    def backward(self, grad_output: Tensor) -> Tensor:
        a, gate = self.saved_tensors()
        grad_a = grad_output * gate
        return torch.cat([grad_a, grad_a * a * (1 - gate)], with_members(self.dim))

    @classmethod
    def examples(cls) -> list[tuple[Glu, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(1), (2, 3))]
