"""The layer that splits an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule import Module, Shape, ShapeError
from chainrule.ops import expect_axis, expect_integer, expect_size, shown
from chainrule_plugins.axes import axis_in


class Unflatten(Module):
    """Split the axis dim of each example into several of the sizes unflattened_size, of which one may be -1: the rest.

    Forward:  ``y = x`` in another shape
    Backward: ``dx = dy`` in the shape of x
    Shapes:   x (N, …) with this axis, numbered as in torch; y with the several in its place
    Source:   by definition
    Raises:   ShapeError if x has no such axis, it is the batch axis, or the sizes do not multiply to its size.
    """

    gives = "same"

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = expect_integer(self, "dim", dim)
        sizes = tuple(unflattened_size) if isinstance(unflattened_size, Sequence) else ()
        if not sizes or sizes.count(-1) > 1:
            raise ShapeError(
                f"unflatten: unflattened_size must be sizes, at most one of them -1, got {shown(unflattened_size)}. "
                "Pass (2, 3), or (2, -1)."
            )
        self.unflattened_size = tuple(
            -1 if size == -1 else expect_size(self, "unflattened_size", size) for size in sizes
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_axis(self, self.dim, input_shape)
        if input_shape[:1] == (...,):
            return (...,)
        axis = self.dim - 1 if self.dim > 0 else len(input_shape) + self.dim
        return (*input_shape[:axis], *self._parts(input_shape[axis]), *input_shape[axis + 1 :])

    def _parts(self, size: object) -> Shape:
        """Return the sizes of the axes that an axis of this size becomes."""
        given = math.prod(part for part in self.unflattened_size if part != -1)
        infers = -1 in self.unflattened_size
        if not isinstance(size, int):
            return tuple(None if part == -1 else part for part in self.unflattened_size)
        if size % given or not (infers or size == given):
            raise ShapeError(
                f"unflatten: axis {self.dim} of x must have {'a multiple of ' * infers}{given} entries for "
                f"unflattened_size={self.unflattened_size}, got {size}. Change the sizes, or leave one as -1."
            )
        return tuple(size // given if part == -1 else part for part in self.unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return torch.unflatten(x, axis_in(x, self, self.dim), self.unflattened_size)

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output.reshape(x.shape)

    @classmethod
    def examples(cls) -> list[tuple[Unflatten, tuple[int, ...]]]:
        return [(cls(1, (2, 2)), (4,)), (cls(-1, (-1, 3)), (2, 6)), (cls(1, (2, -1, 1)), (4, 3))]
