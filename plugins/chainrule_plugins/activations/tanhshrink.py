"""What tanh takes away."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module


class Tanhshrink(Module):
    """Subtract from each value its hyperbolic tangent.

    Forward:  ``y = x − tanh(x)``
    Backward: ``dx = dy tanh²(x)``
    Shapes:   any
    Source:   torch.nn.Tanhshrink
    """

    def forward(self, x: Tensor) -> Tensor:
        tanh = x.tanh()
        self.save_for_backward(tanh)
        return x - tanh

    def backward(self, grad_output: Tensor) -> Tensor:
        (tanh,) = self.saved_tensors()
        return grad_output * tanh * tanh
