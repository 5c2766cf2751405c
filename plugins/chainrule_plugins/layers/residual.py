"""The container whose input skips its modules."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from chainrule import Shape, ShapeError
from chainrule_plugins.layers.sequential import Sequential


class Residual(Sequential):
    """Add x to what modules, applied in sequence, make of it.

    Forward:  ``y = x + f(x)`` with ``f(x) = fₖ(… f₂(f₁(x)))``
    Backward: ``dx = dy + f'(x)ᵀ dy``, the latter by the chain rule
    Shapes:   those of the first module's input, which the last one's output has too
    Source:   He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition", arXiv:1512.03385
    Raises:   ChainruleError if there is no module, or one appears twice; ShapeError if neighbours do not fit, or the
              last one's output has another shape than x.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        shape = super().output_shape(input_shape)
        is_known = all(isinstance(size, int) for size in (*input_shape, *shape))
        if is_known:
            _expect_same(shape, input_shape)
        return shape

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        _expect_same(y.shape[2:], x.shape[2:])  # of modules without a rule about shapes too; nothing is broadcast
        return x + y

    def backward(self, grad_output: Tensor) -> Tensor | None:
        grad_input = super().backward(grad_output)
        return None if grad_input is None else grad_output + grad_input

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        from chainrule.activations import tanh
        from chainrule.layers import linear

        return [(cls(linear(3, 4), tanh(), linear(4, 3)), (3,)), (cls(tanh()), (2, 3))]


def _expect_same(shape: Shape, input_shape: Shape) -> None:
    if shape != input_shape:
        raise ShapeError(
            f"residual: f(x) must have the shape of x, (N, {', '.join(map(str, input_shape))}), "
            f"got (N, {', '.join(map(str, shape))}). End with a module that restores it."
        )
