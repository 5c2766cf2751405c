"""Logarithms of probabilities from scores."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module, Shape
from chainrule.ops import expect_axis, with_members


class LogSoftmax(Module):
    """Turn scores along an axis into the logarithms of probabilities.

    Forward:  ``yₖ = xₖ − log Σⱼ exp(xⱼ)``
    Backward: ``dx = dy − exp(y) Σⱼ dyⱼ``
    Shapes:   x (N, …) with the axis dim, numbered as in torch; y as x
    Source:   torch.nn.LogSoftmax
    Raises:   ShapeError if x has no axis dim, or it is the batch axis.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_axis(self, self.dim, input_shape)
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        y = x.log_softmax(with_members(self.dim))
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output - y.exp() * grad_output.sum(with_members(self.dim), keepdim=True)

    @classmethod
    def examples(cls) -> list[tuple[LogSoftmax, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(1), (3, 2))]
