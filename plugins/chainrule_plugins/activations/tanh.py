"""The hyperbolic tangent."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module


class Tanh(Module):
    """Squash each value into (−1, 1).

    Forward:  ``y = tanh(x)``
    Backward: ``dx = dy · (1 − y²)``
    Shapes:   any
    Source:   paper Table II
    """

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(x)
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output * (1 - y * y)
