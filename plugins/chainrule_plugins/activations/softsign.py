"""The value over one plus its size."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module


class Softsign(Module):
    """Squash each value into (−1, 1), approaching the ends more slowly than tanh.

    Forward:  ``y = x / (1 + |x|)``
    Backward: ``dx = dy / (1 + |x|)²``
    Shapes:   any
    Source:   Bergstra, Desjardins, Lamblin & Bengio 2009, "Quadratic polynomials learn better image features"
    """

    def forward(self, x: Tensor) -> Tensor:
        scale = x.abs().add_(1)
        self.save_for_backward(scale)
        return x / scale

    def backward(self, grad_output: Tensor) -> Tensor:
        (scale,) = self.saved_tensors()
        return grad_output / scale / scale
