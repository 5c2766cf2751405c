"""The mean of whole channels."""

from __future__ import annotations

import math

from torch import Tensor

from chainrule import Module, Shape
from chainrule.ops import expect_shape


class GlobalAvgPool(Module):
    """Reduce each channel to its mean over all positions.

    Forward:  ``y = Σ x / n`` over the channel's n positions
    Backward: ``dx = dy / n`` at each of them
    Shapes:   x (M, N, C, …) with at least one axis behind C, y (M, N, C)
    Source:   Lin, Chen & Yan 2014, "Network in network", arXiv:1312.4400
    Raises:   ShapeError if x has no axis behind its channels.
    """

    gives = "same"

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (..., None, None))
        return input_shape[:1] if input_shape[:1] != (...,) else (None,)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() < 4:  # after a module without a rule
            self.output_shape(x.shape[2:])
        self.save_for_backward(x)
        return x.flatten(3).mean(3)

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        grad = grad_output / math.prod(x.shape[3:])
        return grad.view(*grad_output.shape, *[1] * (x.dim() - 3)).expand(x.shape)

    @classmethod
    def examples(cls) -> list[tuple[GlobalAvgPool, tuple[int, ...]]]:
        return [(cls(), (2, 3)), (cls(), (3, 1, 2))]
