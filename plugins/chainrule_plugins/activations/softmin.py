"""Probabilities from costs."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module, Shape
from chainrule.ops import expect_axis, with_members


class Softmin(Module):
    """Turn costs along an axis into probabilities, the largest for the smallest cost.

    Forward:  ``yₖ = exp(−xₖ) / Σⱼ exp(−xⱼ)``
    Backward: ``dx = −y (dy − Σⱼ dyⱼ yⱼ)``
    Shapes:   x (N, …) with the axis dim, numbered as in torch; y as x
    Source:   torch.nn.Softmin
    Raises:   ShapeError if x has no axis dim, or it is the batch axis.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_axis(self, self.dim, input_shape)
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        y = x.neg().softmax(with_members(self.dim))
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        grad = grad_output * y
        return (y * grad.sum(with_members(self.dim), keepdim=True)).sub_(grad)

    @classmethod
    def examples(cls) -> list[tuple[Softmin, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(1), (3, 2))]
