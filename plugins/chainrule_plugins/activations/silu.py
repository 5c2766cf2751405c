"""The sigmoid linear unit, also called swish."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module


class Silu(Module):
    """Multiply each value by its sigmoid.

    Forward:  ``y = x σ(x)``
    Backward: ``dx = dy (σ + y (1 − σ))`` with σ = σ(x)
    Shapes:   any
    Source:   Elfwing, Uchibe & Doya 2017, arXiv:1702.03118
    """

    def forward(self, x: Tensor) -> Tensor:
        sigmoid = x.sigmoid()
        y = x * sigmoid
        self.save_for_backward(sigmoid, y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        sigmoid, y = self.saved_tensors()
        return (1 - sigmoid).mul_(y).add_(sigmoid).mul_(grad_output)
