"""Dropout of single entries."""

from __future__ import annotations

from torch import Tensor

from chainrule_plugins.dropout import DropoutLayer, scaled_mask


class Dropout(DropoutLayer):
    """Set each entry to zero with probability p in train mode, and scale the others to keep the mean.

    Forward:  ``y = x m / (1 − p)`` with ``m ~ Bernoulli(1 − p)`` for each entry, ``y = 0`` for p = 1;
              in eval mode ``y = x``
    Backward: ``dx = dy m / (1 − p)``
    Shapes:   any
    Source:   Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting"
    Raises:   HyperparameterError if p is not from 0 to 1.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            self.save_for_backward()
            return x
        factor = scaled_mask(self.random, self.p, x.shape[1:])
        self.save_for_backward(factor)
        return x * factor

    def backward(self, grad_output: Tensor) -> Tensor:
        (factor,) = self.saved_tensors()
        return grad_output * factor
