"""Probabilities from costs."""

from __future__ import annotations

from torch import Tensor

from chainrule_plugins.axes import AlongAxis


class Softmin(AlongAxis):
    """Turn costs along an axis into probabilities, the largest for the smallest cost.

    Forward:  ``yₖ = exp(−xₖ) / Σⱼ exp(−xⱼ)``
    Backward: ``dx = −y (dy − Σⱼ dyⱼ yⱼ)``
    Shapes:   x (N, …) with the axis dim, numbered as in torch; y as x
    Source:   torch.nn.Softmin
    Raises:   ShapeError if x has no axis dim, or it is the batch axis.
    """

    gives = "probabilities"

    def forward(self, x: Tensor) -> Tensor:
        y = x.neg().softmax(self.axis_in(x))
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        grad = grad_output * y
        return (y * grad.sum(self.axis_in(y), keepdim=True)).sub_(grad)
