"""The layer that joins axes."""

from __future__ import annotations

import math

from torch import Tensor

from chainrule import Module, Shape, ShapeError
from chainrule.ops import expect_axis, expect_integer
from chainrule_plugins.axes import axis_in


class Flatten(Module):
    """Join the axes from start_dim to end_dim of each example into one.

    Forward:  ``y = x`` in another shape
    Backward: ``dx = dy`` in the shape of x
    Shapes:   x (N, …) with these axes, numbered as in torch; y with their product in their place
    Source:   by definition
    Raises:   ShapeError if x has no such axes, they are not in order, or one is the batch axis.
    """

    gives = "same"

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = expect_integer(self, "start_dim", start_dim)
        self.end_dim = expect_integer(self, "end_dim", end_dim)

    def output_shape(self, input_shape: Shape) -> Shape:
        for name in ("start_dim", "end_dim"):
            expect_axis(self, getattr(self, name), input_shape, name)
        if input_shape[:1] == (...,):
            return (...,)
        first, last = ((dim - 1) if dim > 0 else len(input_shape) + dim for dim in (self.start_dim, self.end_dim))
        if first > last:
            raise ShapeError(
                f"flatten: start_dim must not be behind end_dim, {self.end_dim}, got {self.start_dim} for an x of "
                f"{len(input_shape) + 1} axes. Exchange them."
            )
        sizes = [size for size in input_shape[first : last + 1] if isinstance(size, int)]
        joined = math.prod(sizes) if len(sizes) == last + 1 - first else None
        return (*input_shape[:first], joined, *input_shape[last + 1 :])

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.flatten(axis_in(x, self, self.start_dim, "start_dim"), axis_in(x, self, self.end_dim, "end_dim"))

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output.reshape(x.shape)

    @classmethod
    def examples(cls) -> list[tuple[Flatten, tuple[int, ...]]]:
        return [(cls(), (2, 3)), (cls(2, 3), (2, 3, 2)), (cls(1, -2), (3, 2, 2))]
