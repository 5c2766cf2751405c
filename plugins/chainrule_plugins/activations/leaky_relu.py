"""The rectified linear unit with a small slope for negative values."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module
from chainrule.ops import expect_number


class LeakyRelu(Module):
    """Scale negative values by a small slope.

    Forward:  ``y = x`` where x > 0, else ``y = a x``, with a = negative_slope
    Backward: ``dx = dy`` where x > 0, else ``dx = a dy``
    Shapes:   any
    Source:   Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve neural network acoustic models"
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = expect_number(self, "negative_slope", negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        y: Tensor = torch.ops.aten.leaky_relu(x, self.negative_slope)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        # in one pass: on a CPU, torch.where takes twenty times as long
        grad: Tensor = torch.ops.aten.leaky_relu_backward(grad_output, x, self.negative_slope, False)
        return grad

    @classmethod
    def examples(cls) -> list[tuple[LeakyRelu, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(0.3), (2, 3))]
