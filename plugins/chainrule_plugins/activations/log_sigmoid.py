"""The logarithm of the sigmoid."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module


class LogSigmoid(Module):
    """Return the logarithm of each value's sigmoid.

    Forward:  ``y = log σ(x) = min(x, 0) − log(1 + exp(−|x|))``
    Backward: ``dx = dy σ(−x)``
    Shapes:   any
    Source:   torch.nn.LogSigmoid
    """

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.clamp_max(0) - x.abs().neg().exp().log1p()

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return x.neg().sigmoid_().mul_(grad_output)
