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
        a, b = self.halves(x)
        self.save_for_backward(x)
        return a * b.sigmoid()

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        # in one pass, since two halves of their own would be copied into dx
        grad: Tensor = torch.ops.aten.glu_backward(grad_output, x, self.axis_in(x))
        return grad
