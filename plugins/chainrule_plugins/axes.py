"""Axes numbered as in torch, and the parents of activations that work along one."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from chainrule import Module, Shape
from chainrule.ops import expect_axis, expect_integer, halved


def axis_in(x: Tensor, owner: object, dim: int, name: str = "dim") -> int:
    """Return the number in x (M, N, …) of its axis dim, numbered as in (N, …).

    Raises:
        ShapeError: naming owner and argument, if there is no such axis, or it is that of the batch or the members.
    """
    axis = dim + 1 if dim >= 0 else x.dim() + dim
    if not 1 < axis < x.dim():
        expect_axis(owner, dim, x.shape[2:], name)
    return axis


class AlongAxis(Module):
    """An activation along an axis dim of each example; the batch axis is refused."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = expect_integer(self, "dim", dim)

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_axis(self, self.dim, input_shape)
        return input_shape

    def axis_in(self, x: Tensor) -> int:
        """Return the number of the axis in x (M, N, …)."""
        return axis_in(x, self, self.dim)

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(1), (4, 2))]


class GatedHalf(AlongAxis):
    """An activation that gates the first half of the axis by the second."""

    def output_shape(self, input_shape: Shape) -> Shape:
        return halved(self, self.dim, input_shape)

    def halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the halves of x (M, N, …)."""
        axis = self.axis_in(x)
        if x.shape[axis] % 2:  # after a module without a rule about shapes
            self.output_shape(x.shape[2:])
        a, b = x.chunk(2, axis)
        return a, b
