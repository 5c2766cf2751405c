"""Dropout that keeps the mean and the variance of standardized inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule_plugins.dropout import DropoutLayer


class AlphaDropout(DropoutLayer):
    """Set each entry to selu's lower limit with probability p in train mode, and keep mean 0 and variance 1.

    Forward:  ``y = a m x + a s (1 − p − m)`` with ``m ~ Bernoulli(1 − p)`` for each entry, ``s = −λ α`` the limit of
              selu, and ``a = 1 / √((1 − p) (1 + p s²))``, or ``a = 0`` for p = 1; in eval mode ``y = x``
    Backward: ``dx = a m dy``
    Shapes:   any
    Source:   Klambauer, Unterthiner, Mayr & Hochreiter 2017, "Self-normalizing neural networks", arXiv:1706.02515,
              where it reads ``y = a (m x + s (1 − m)) + b`` with ``b = −a p s``
    Raises:   HyperparameterError if p is not from 0 to 1.
    """

    LIMIT = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            self.save_for_backward()
            return x
        p = self.p
        scale = ((1 - p) * (1 + p * self.LIMIT**2)) ** -0.5 if p < 1 else 0.0
        factor = self.random.bernoulli(1 - p, x.shape[1:]).mul_(scale)
        self.save_for_backward(factor)
        shift = (factor * -self.LIMIT).add_(scale * (1 - p) * self.LIMIT)  # for p = 0 an exact 0
        return torch.addcmul(shift, x, factor)

    def backward(self, grad_output: Tensor) -> Tensor:
        (factor,) = self.saved_tensors()
        return grad_output * factor
