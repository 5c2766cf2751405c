"""A half gated by the GELU of the other."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule_plugins.axes import GatedHalf


class Geglu(GatedHalf):
    """Multiply one half of an axis by the GELU of the other.

    Forward:  ``y = a g`` with ``g = b Φ(b)`` and ``Φ(b) = (1 + erf(b / √2)) / 2``
    Backward: ``da = dy g``, ``db = dy a (Φ + b exp(−b² / 2) / √(2π))``
    Shapes:   x (N, …) with an even axis dim, numbered as in torch, of which a is the first half and b the second;
              y (N, …) with half that axis
    Source:   Shazeer 2020, "GLU variants improve transformer", arXiv:2002.05202, with the halves as in `glu`
    Raises:   ShapeError if x has no axis dim, or it is odd or the batch axis.
    """

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.halves(x)
        cdf = (b * math.sqrt(0.5)).erf().add_(1).mul_(0.5)
        self.save_for_backward(a, b, cdf)
        return a * b * cdf

    def backward(self, grad_output: Tensor) -> Tensor:
        a, b, cdf = self.saved_tensors()
        slope = (b * b).mul_(-0.5).exp_().mul_(b).mul_(1 / math.sqrt(2 * math.pi)).add_(cdf)
        return torch.cat([grad_output * b * cdf, slope.mul_(a).mul_(grad_output)], self.axis_in(a))
