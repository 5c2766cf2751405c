"""The layer that exchanges two axes."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module, Shape
from chainrule.ops import expect_axis, expect_integer
from chainrule_plugins.axes import axis_in


class Transpose(Module):
    """Exchange the axes dim0 and dim1 of each example, such as the classes and positions of scores for cross_entropy.

    Forward:  ``y[…, j, …, i, …] = x[…, i, …, j, …]``
    Backward: ``dx[…, i, …, j, …] = dy[…, j, …, i, …]``
    Shapes:   x (N, …) with these axes, numbered as in torch; y with their sizes exchanged
    Source:   by definition
    Raises:   ShapeError if x has no such axes, or one is the batch axis.
    """

    gives = "same"

    def __init__(self, dim0: int, dim1: int) -> None:
        self.dim0 = expect_integer(self, "dim0", dim0)
        self.dim1 = expect_integer(self, "dim1", dim1)

    def output_shape(self, input_shape: Shape) -> Shape:
        for name in ("dim0", "dim1"):
            expect_axis(self, getattr(self, name), input_shape, name)
        if input_shape[:1] == (...,):
            return (...,)
        sizes = list(input_shape)
        first, second = (dim - 1 if dim > 0 else dim for dim in (self.dim0, self.dim1))
        sizes[first], sizes[second] = sizes[second], sizes[first]
        return tuple(sizes)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return x.transpose(*self._axes_in(x))

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output.transpose(*self._axes_in(grad_output))

    def _axes_in(self, x: Tensor) -> tuple[int, int]:
        return axis_in(x, self, self.dim0, "dim0"), axis_in(x, self, self.dim1, "dim1")

    @classmethod
    def examples(cls) -> list[tuple[Transpose, tuple[int, ...]]]:
        return [(cls(1, 2), (2, 3)), (cls(-1, 1), (2, 2, 3)), (cls(2, -1), (1, 3, 2))]
