"""The fully connected layer."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import InitializerLike, Module, Parameter, Shape, ShapeError
from chainrule.initializers import uniform
from chainrule.ops import accumulate, affine


class Linear(Module):
    """Map each row of x affinely from in_features to out_features.

    Forward:  ``y = x Wᵀ + b``
    Backward: ``dx = dy W``, ``dW = dyᵀ x``, ``db = Σₙ dyₙ``
    Shapes:   x (M, N, in), W (M, out, in), b (M, out), y (M, N, out); M members
    Source:   paper eq. (1) and Table I
    Raises:   ShapeError if the last axis of x is not in_features, or its dtype not the weight's.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        weight_init: InitializerLike | None = None,
        bias_init: InitializerLike | None = None,
    ) -> None:
        fans = {"fan_in": in_features, "fan_out": out_features}
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(out_features, in_features, init=weight_init or uniform(), **fans)
        self.bias = Parameter(out_features, init=bias_init or uniform(), **fans) if bias else None

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ShapeError(
                f"linear: x must have {self.in_features} features, got a single number. Give it rows of that many."
            )
        if input_shape[-1:] not in ((...,), (None,), (self.in_features,)):
            raise ShapeError(
                f"linear: x must have {self.in_features} features, got {input_shape[-1]}. "
                f"Use linear({input_shape[-1]}, {self.out_features})."
            )
        return (*input_shape[:-1], self.out_features)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 3 or x.shape[2] != self.in_features:
            raise ShapeError(
                f"linear: x must have shape (N, {self.in_features}), got {tuple(x.shape[1:])}. "
                "Give it rows of that many features."
            )
        if x.dtype != self.weight.data.dtype:
            raise ShapeError(
                f"linear: x must have dtype {self.weight.data.dtype}, got {x.dtype}. Convert it with x.to(…)."
            )
        self.save_for_backward(x)
        return affine(x, self.weight, self.bias)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        (x,) = self.saved_tensors()
        accumulate(self.weight, self.bias, x, grad_output)
        if not self.needs_input_grad:
            return None
        return torch.bmm(grad_output, self.weight.data)

    @classmethod
    def examples(cls) -> list[tuple[Linear, tuple[int, ...]]]:
        return [(cls(3, 5), (3,)), (cls(4, 2, bias=False), (4,))]
