"""The logistic sigmoid."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module


class Sigmoid(Module):
    """Squash each value into (0, 1).

    Forward:  ``y = σ(x) = 1 / (1 + exp(−x))``
    Backward: ``dx = dy · y (1 − y)``; the paper prints (σ − 1)/σ, which is not the derivative
    Shapes:   any
    Source:   paper Table II
    """

    gives = "probabilities"

    def forward(self, x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return (1 - y).mul_(y).mul_(grad_output)
