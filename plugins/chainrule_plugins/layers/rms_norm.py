"""Normalization by the root mean square."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule import Module, Parameter, Shape
from chainrule.initializers import ones
from chainrule.ops import expect_flag, expect_number, expect_shape
from chainrule_plugins.sizes import expect_sizes


class RmsNorm(Module):
    """Divide the last axes of each example by their root mean square, then scale every entry of them.

    Forward:  ``y = w x̂`` with ``x̂ = x / r`` and ``r = √(mean(x²) + eps)``, by the mean over these axes
    Backward: ``dx = (g − x̂ mean(g x̂)) / r`` with ``g = w dy``; ``dw = Σ dy x̂``
    Shapes:   x and y (M, N, …, *normalized_shape), w (M, *normalized_shape)
    Source:   Zhang & Sennrich 2019, "Root mean square layer normalization", arXiv:1910.07467
    Raises:   ShapeError if the last axes of x are not normalized_shape.

    Without eps it is the dtype's distance from 1 to the next larger number.
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True
    ) -> None:
        self.normalized_shape = expect_sizes(self, "normalized_shape", normalized_shape)
        self.eps = None if eps is None else expect_number(self, "eps", eps, at_least=0)
        self.elementwise_affine = expect_flag(self, "elementwise_affine", elementwise_affine)
        self.weight = (
            Parameter(*self.normalized_shape, init=ones(), fan_in=1, fan_out=1) if self.elementwise_affine else None
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (..., *self.normalized_shape))
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:][-len(self.normalized_shape) :] != self.normalized_shape:  # after a module without a rule
            self.output_shape(x.shape[2:])
        rows = self._rows(x)
        eps = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        inverse = torch.rsqrt(rows.square().mean(-1, keepdim=True) + eps)
        normalized = rows * inverse
        self.save_for_backward(normalized, inverse)
        y = normalized if self.weight is None else normalized * self._rows(self.weight.data)
        return y.view(x.shape)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        normalized, inverse = self.saved_tensors()
        grad = self._rows(grad_output)
        along = grad * normalized
        if self.weight is not None:
            self._rows(self.weight.grad).add_(along.sum(1, keepdim=True))
            weight = self._rows(self.weight.data)
            grad, along = grad * weight, along.mul_(weight)
        if not self.needs_input_grad:
            return None
        dx = torch.addcmul(grad, normalized, along.mean(-1, keepdim=True), value=-1).mul_(inverse)
        return dx.view(grad_output.shape)

    def _rows(self, tensor: Tensor) -> Tensor:
        """Return (M, …, *normalized_shape) as rows that are normalized, (M, rows, entries)."""
        return tensor.reshape(len(tensor), -1, math.prod(self.normalized_shape))

    @classmethod
    def examples(cls) -> list[tuple[RmsNorm, tuple[int, ...]]]:
        return [(cls(4), (4,)), (cls((3, 2), 1e-3), (2, 3, 2)), (cls(5, elementwise_affine=False), (5,))]
