"""Logarithms of probabilities from scores."""

from __future__ import annotations

from torch import Tensor

from chainrule_plugins.axes import AlongAxis
from chainrule_plugins.log_probabilities import log_softmax


class LogSoftmax(AlongAxis):
    """Turn scores along an axis into the logarithms of probabilities.

    Forward:  ``yₖ = xₖ − log Σⱼ exp(xⱼ)``
    Backward: ``dx = dy − exp(y) Σⱼ dyⱼ``
    Shapes:   x (N, …) with the axis dim, numbered as in torch; y as x
    Source:   torch.nn.LogSoftmax
    Raises:   ShapeError if x has no axis dim, or it is the batch axis.
    """

    def forward(self, x: Tensor) -> Tensor:
        y = log_softmax(x, self.axis_in(x))
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return y.exp().mul_(grad_output.sum(self.axis_in(y), keepdim=True)).neg_().add_(grad_output)
