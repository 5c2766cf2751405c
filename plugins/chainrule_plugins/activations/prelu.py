"""The rectified linear unit with a learned slope for negative values."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module, Parameter, Shape
from chainrule.initializers import constant
from chainrule.ops import expect_number, expect_shape, expect_size


class Prelu(Module):
    """Scale negative values by a slope that is learned, one for all or one for each channel.

    Forward:  ``y = x`` where x > 0, else ``y = w x``
    Backward: ``dx = dy`` where x > 0, else ``dx = w dy``; ``dw = Σ dy x`` over its channel's x ≤ 0
    Shapes:   x (M, N, …), for several parameters (M, N, C, …) with C = num_parameters; w (M, num_parameters)
    Source:   He, Zhang, Ren & Sun 2015, "Delving deep into rectifiers", arXiv:1502.01852
    Raises:   ShapeError if the first axis of an example is not num_parameters, unless that is 1.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = expect_size(self, "num_parameters", num_parameters)
        self.init = expect_number(self, "init", init)
        fans = {"fan_in": self.num_parameters, "fan_out": self.num_parameters}
        self.weight = Parameter(self.num_parameters, init=constant(self.init), **fans)

    def output_shape(self, input_shape: Shape) -> Shape:
        if self.num_parameters > 1 and input_shape[:1] != (...,):
            expect_shape(self, input_shape, (self.num_parameters, *[None] * (len(input_shape) - 1)))
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if self.num_parameters > 1 and x.shape[2:3] != (self.num_parameters,):  # after a module without a rule
            self.output_shape(x.shape[2:])
        self.save_for_backward(x)
        return x.clamp_min(0) + self._slope(x) * x.clamp_max(0)

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        negative = x.clamp_max(0).mul_(grad_output)
        others = [axis for axis in range(1, x.dim()) if axis != 2 or self.num_parameters == 1]
        self.weight.grad.add_(negative.sum(others).view_as(self.weight.grad))
        slope, is_positive = self._slope(x), x.sign().clamp_min_(0)
        return torch.addcmul(slope, 1 - slope, is_positive).mul_(grad_output)

    def _slope(self, x: Tensor) -> Tensor:
        """Return w in a shape that broadcasts over x."""
        axes = [1] * (x.dim() - 1)
        if self.num_parameters > 1:
            axes[1] = self.num_parameters
        return self.weight.data.view(len(x), *axes)

    @classmethod
    def examples(cls) -> list[tuple[Prelu, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(3, 0.1), (3, 2)), (cls(2), (2,))]
