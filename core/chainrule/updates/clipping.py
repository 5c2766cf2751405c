"""Clipping of gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule.base.parameter import Parameter


def clip_gradients(parameters: Sequence[Parameter], max_norm: float) -> Tensor:
    """Scale each member's gradient so that its global norm is at most max_norm; return the norms before, (M,)."""
    norms = [torch.linalg.vector_norm(p.grad.reshape(len(p.grad), -1), dim=1) for p in parameters]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = (max_norm / norm).clamp(max=1.0)  # a norm of 0 gives inf, then 1
    for parameter in parameters:
        parameter.grad.mul_(factor.view(-1, *[1] * len(parameter.shape)))
    return norm
