"""Layer normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule import InitializerLike, Module, Parameter, Shape
from chainrule.initializers import ones, zeros
from chainrule.ops import expect_flag, expect_number, expect_shape
from chainrule_plugins.normalization import standardized, standardized_backward
from chainrule_plugins.sizes import expect_sizes


class LayerNorm(Module):
    """Standardize the last axes of each example together, then scale and shift every entry of them.

    Forward:  ``y = w x̂ + b`` with ``x̂ = (x − μ) / σ`` and ``σ = √(var + eps)``, by mean μ and variance over these axes
    Backward: ``dx = (g − mean(g) − x̂ mean(g x̂)) / σ`` with ``g = w dy``; ``dw = Σ dy x̂``, ``db = Σ dy``
    Shapes:   x and y (M, N, …, *normalized_shape), w and b (M, *normalized_shape)
    Source:   Ba, Kiros & Hinton 2016, "Layer normalization", arXiv:1607.06450
    Raises:   ShapeError if the last axes of x are not normalized_shape.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        self.normalized_shape = expect_sizes(self, "normalized_shape", normalized_shape)
        self.eps = expect_number(self, "eps", eps, at_least=0)
        self.elementwise_affine = expect_flag(self, "elementwise_affine", elementwise_affine)
        has_bias = expect_flag(self, "bias", bias) and self.elementwise_affine
        self.weight = self._parameter(ones()) if self.elementwise_affine else None
        self.bias = self._parameter(zeros()) if has_bias else None

    def _parameter(self, init: InitializerLike) -> Parameter:
        return Parameter(*self.normalized_shape, init=init, fan_in=1, fan_out=1)  # each entry has its own

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (..., *self.normalized_shape))
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:][-len(self.normalized_shape) :] != self.normalized_shape:  # after a module without a rule
            self.output_shape(x.shape[2:])
        rows = self._rows(x)
        if len(x) == 1:  # torch's kernel takes the parameters of one model, and spares the passes for y
            weight, bias = self._of_one_model()
            y, mean, inverse = torch.native_layer_norm(rows, rows.shape[2:], weight, bias, self.eps)
            self.save_for_backward(rows, mean, inverse)
            return y.view(x.shape)
        normalized, mean, inverse = standardized(rows, self.eps)
        self.save_for_backward(rows, mean, inverse, normalized)
        if self.weight is None:
            return normalized.view(x.shape)
        weight = self._rows(self.weight.data)
        if self.bias is None:
            return (normalized * weight).view(x.shape)
        return torch.addcmul(self._rows(self.bias.data), normalized, weight).view(x.shape)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        rows, mean, inverse, *normalized = self.saved_tensors()
        grad = self._rows(grad_output)
        if not normalized:
            dx = self._backward_of_one_model(grad, rows, mean, inverse)
        else:
            if self.weight is not None:
                self._rows(self.weight.grad).add_((grad * normalized[0]).sum(1, keepdim=True))
                if self.bias is not None:
                    self._rows(self.bias.grad).add_(grad.sum(1, keepdim=True))
                grad = grad * self._rows(self.weight.data)
            dx = standardized_backward(grad, rows, mean, inverse) if self.needs_input_grad else None
        return None if dx is None else dx.view(grad_output.shape)

    def _of_one_model(self) -> list[Tensor | None]:
        """Return weight and bias of the only member, one number for each entry of a row."""
        return [None if parameter is None else parameter.data.flatten() for parameter in (self.weight, self.bias)]

    def _backward_of_one_model(self, grad: Tensor, rows: Tensor, mean: Tensor, inverse: Tensor) -> Tensor | None:
        wanted = [self.needs_input_grad, self.weight is not None, self.bias is not None]
        dx, *grads = torch.ops.aten.native_layer_norm_backward(
            grad, rows, rows.shape[2:], mean, inverse, *self._of_one_model(), wanted
        )
        for parameter, more in zip((self.weight, self.bias), grads, strict=True):
            if parameter is not None:
                parameter.grad += more.view_as(parameter.grad)
        return dx if self.needs_input_grad else None

    def _rows(self, tensor: Tensor) -> Tensor:
        """Return (M, …, *normalized_shape) as rows that are normalized, (M, rows, entries)."""
        return tensor.reshape(len(tensor), -1, math.prod(self.normalized_shape))

    @classmethod
    def examples(cls) -> list[tuple[LayerNorm, tuple[int, ...]]]:
        return [
            (cls(4), (4,)),
            (cls((3, 2), 1e-3), (2, 3, 2)),
            (cls(3, bias=False), (2, 3)),
            (cls(5, elementwise_affine=False), (5,)),
        ]
