"""The identity."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module


class Identity(Module):
    """Return x unchanged.

    Forward:  ``y = x``
    Backward: ``dx = dy``
    Shapes:   any
    """

    gives = "same"

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return x

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output
