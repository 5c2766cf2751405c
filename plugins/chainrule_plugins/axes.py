"""Parents of activations that work along one axis, numbered as in torch."""

from __future__ import annotations

from typing import Any

from chainrule import Module, Shape
from chainrule.ops import expect_axis, expect_integer, halved, with_members


class AlongAxis(Module):
    """An activation along an axis dim of each example; the batch axis is refused."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = expect_integer(self, "dim", dim)

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_axis(self, self.dim, input_shape)
        return input_shape

    @property
    def axis(self) -> int:
        """The number of the axis in (M, N, …)."""
        return with_members(self.dim)

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(1), (4, 2))]


class GatedHalf(AlongAxis):
    """An activation that gates the first half of the axis by the second."""

    def output_shape(self, input_shape: Shape) -> Shape:
        return halved(self, self.dim, input_shape)
