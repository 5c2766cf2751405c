"""A half gated by the sigmoid of the other."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule_plugins.axes import GatedHalf


class Glu(GatedHalf):
    """Multiply one half of an axis by the sigmoid of the other.

    Forward:  ``y = a σ(b)``
    Backward: ``da = dy σ(b)``, ``db = dy a σ(b) (1 − σ(b))``
    Shapes:   x (N, …) with an even axis dim, numbered as in torch, of which a is the first half and b the second;
              y (N, …) with half that axis
    Source:   Dauphin, Fan, Auli & Grangier 2016, arXiv:1612.08083
    Raises:   ShapeError if x has no axis dim, or it is odd or the batch axis.
    """

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, self.axis)
        gate = b.sigmoid()
        self.save_for_backward(a, gate)
        return a * gate

    def backward(self, grad_output: Tensor) -> Tensor:
        a, gate = self.saved_tensors()
        grad_a = grad_output * gate
        return torch.cat([grad_a, grad_a * a * (1 - gate)], self.axis)
