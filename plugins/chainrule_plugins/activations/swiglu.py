"""A half gated by the SiLU of the other."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule_plugins.axes import GatedHalf


class Swiglu(GatedHalf):
    """Multiply one half of an axis by the SiLU of the other.

    Forward:  ``y = a s`` with ``s = b σ(b)``
    Backward: ``da = dy s``, ``db = dy a (σ(b) + s (1 − σ(b)))``
    Shapes:   x (N, …) with an even axis dim, numbered as in torch, of which a is the first half and b the second;
              y (N, …) with half that axis
    Source:   Shazeer 2020, "GLU variants improve transformer", arXiv:2002.05202, with the halves as in `glu`
    Raises:   ShapeError if x has no axis dim, or it is odd or the batch axis.
    """

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.halves(x)
        sigmoid = b.sigmoid()
        gate = b * sigmoid
        self.save_for_backward(a, sigmoid, gate)
        return a * gate

    def backward(self, grad_output: Tensor) -> Tensor:
        a, sigmoid, gate = self.saved_tensors()
        slope = (1 - sigmoid).mul_(gate).add_(sigmoid)
        return torch.cat([grad_output * gate, slope.mul_(a).mul_(grad_output)], self.axis_in(a))
