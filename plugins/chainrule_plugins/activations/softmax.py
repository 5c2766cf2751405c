"""Probabilities from scores."""

from __future__ import annotations

from torch import Tensor

from chainrule_plugins.axes import AlongAxis


class Softmax(AlongAxis):
    """Turn scores along an axis into probabilities.

    Forward:  ``yₖ = exp(xₖ) / Σⱼ exp(xⱼ)``
    Backward: ``dx = y (dy − Σⱼ dyⱼ yⱼ)``
    Shapes:   x (N, …) with the axis dim, numbered as in torch; y as x
    Source:   Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs"
    Raises:   ShapeError if x has no axis dim, or it is the batch axis.
    """

    gives = "probabilities"

    def forward(self, x: Tensor) -> Tensor:
        y = x.softmax(self.axis_in(x))
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        grad = grad_output * y
        return grad.sub_(y * grad.sum(self.axis_in(y), keepdim=True))
