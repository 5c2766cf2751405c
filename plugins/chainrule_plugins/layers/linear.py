"""The fully connected layer."""

from __future__ import annotations

from torch import Tensor

from chainrule import InitializerLike, Module, Parameter, Shape
from chainrule.initializers import uniform
from chainrule.ops import affine, affine_backward, expect_flag, expect_shape, expect_size


class Linear(Module):
    """Map the last axis affinely, from in_features to out_features.

    Forward:  ``y = x Wᵀ + b``
    Backward: ``dx = dy W``, ``dW = dyᵀ x``, ``db = Σₙ dyₙ``
    Shapes:   x (M, N, …, in), W (M, out, in), b (M, out), y (M, N, …, out); M members
    Source:   paper eq. (1) and Table I
    Raises:   ShapeError if the last axis of x is not in_features.
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
        self.in_features = expect_size(self, "in_features", in_features)
        self.out_features = expect_size(self, "out_features", out_features)
        fans = {"fan_in": self.in_features, "fan_out": self.out_features}
        inits = [uniform() if init is None else init for init in (weight_init, bias_init)]
        self.weight = Parameter(self.out_features, self.in_features, init=inits[0], **fans)
        self.bias = Parameter(self.out_features, init=inits[1], **fans) if expect_flag(self, "bias", bias) else None

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (..., self.in_features))
        leading = input_shape if input_shape == (...,) else input_shape[:-1]
        return (*leading, self.out_features)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return affine(x, self.weight, self.bias)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        (x,) = self.saved_tensors()
        return affine_backward(x, self.weight, self.bias, grad_output, input_grad=self.needs_input_grad)

    @classmethod
    def examples(cls) -> list[tuple[Linear, tuple[int, ...]]]:
        return [(cls(3, 5), (3,)), (cls(4, 2, bias=False), (4,)), (cls(3, 2), (5, 3))]
