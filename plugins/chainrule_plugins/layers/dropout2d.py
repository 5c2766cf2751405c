"""Dropout of whole channels."""

from __future__ import annotations

from torch import Tensor

from chainrule import Shape
from chainrule.ops import expect_shape
from chainrule_plugins.dropout import DropoutLayer, scaled_mask


class Dropout2d(DropoutLayer):
    """Set whole channels of an example to zero with probability p in train mode, and scale the others.

    Forward:  ``y = x m / (1 − p)`` with ``m ~ Bernoulli(1 − p)`` for each example and channel, ``y = 0`` for p = 1;
              in eval mode ``y = x``
    Backward: ``dx = dy m / (1 − p)``
    Shapes:   x and y (M, N, C, H, W), or (M, N, C, …) with other axes behind C; m (M, N, C)
    Source:   Tompson, Goroshin, Jain, LeCun & Bregler 2015, "Efficient object localization using convolutional
              networks", arXiv:1411.4280
    Raises:   HyperparameterError if p is not from 0 to 1; ShapeError if x has no axis behind its channels.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (..., None, None))
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() < 4:  # after a module without a rule
            self.output_shape(x.shape[2:])
        if not self.training:
            self.save_for_backward()
            return x
        factor = scaled_mask(self.random, self.p, x.shape[1:3]).view(*x.shape[:3], *[1] * (x.dim() - 3))
        self.save_for_backward(factor)
        return x * factor

    def backward(self, grad_output: Tensor) -> Tensor:
        (factor,) = self.saved_tensors()
        return grad_output * factor

    @classmethod
    def examples(cls) -> list[tuple[Dropout2d, tuple[int, ...]]]:
        return [(cls(), (3, 1, 2)), (cls(0.2), (2, 3))]
