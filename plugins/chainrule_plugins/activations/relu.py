"""The rectified linear unit."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module


class Relu(Module):
    """Set negative values to zero.

    Forward:  ``y = max(x, 0)``
    Backward: ``dx = dy · 1[x > 0]``; at x = 0 the subgradient is 0
    Shapes:   any
    Source:   paper Table II
    """

    def forward(self, x: Tensor) -> Tensor:
        y = x.relu()
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        # grad_output where y > 0, else 0, in one pass; and y > 0 exactly where x > 0
        grad: Tensor = torch.ops.aten.threshold_backward(grad_output, y, 0)
        return grad
