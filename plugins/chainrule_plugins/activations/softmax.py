"""Probabilities from scores."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module, Shape
from chainrule.ops import expect_axis, with_members


class Softmax(Module):
    """Turn scores along an axis into probabilities.

    Forward:  ``yₖ = exp(xₖ) / Σⱼ exp(xⱼ)``
    Backward: ``dx = y (dy − Σⱼ dyⱼ yⱼ)``
    Shapes:   x (N, …) with the axis dim, numbered as in torch; y as x
    Source:   Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs"
    Raises:   ShapeError if x has no axis dim, or it is the batch axis.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_axis(self, self.dim, input_shape)
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        y = x.softmax(with_members(self.dim))
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        grad = grad_output * y
        return grad.sub_(y * grad.sum(with_members(self.dim), keepdim=True))

    @classmethod
    def examples(cls) -> list[tuple[Softmax, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(1), (3, 2))]
