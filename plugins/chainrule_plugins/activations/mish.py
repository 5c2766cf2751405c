"""A smooth unit that gates by the tanh of a softplus."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module


class Mish(Module):
    """Multiply each value by the hyperbolic tangent of its softplus.

    Forward:  ``y = x t`` with ``t = tanh(log(1 + exp(x)))``
    Backward: ``dx = dy (t + x (1 − t²) σ(x))``
    Shapes:   any
    Source:   Misra 2019, arXiv:1908.08681
    """

    def forward(self, x: Tensor) -> Tensor:
        gate = (x.clamp_min(0) + x.abs().neg().exp().log1p()).tanh()
        self.save_for_backward(x, gate)
        return x * gate

    def backward(self, grad_output: Tensor) -> Tensor:
        x, gate = self.saved_tensors()
        slope = (1 - gate * gate).mul_(x.sigmoid()).mul_(x).add_(gate)
        return slope.mul_(grad_output)
