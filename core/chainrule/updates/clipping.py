"""Clipping of gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.network import Network


def clip_gradients(network: Network, max_norm: float) -> Tensor:
    """Scale each member's gradient so that its global norm is at most max_norm; return the norms before, (M,)."""
    norms = [
        torch.linalg.vector_norm(parameter.grad.reshape(network.members, -1), dim=1)
        for parameter in network.parameters()
    ]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = (max_norm / norm).clamp(max=1.0)  # a norm of 0 gives inf, then 1
    for parameter in network.parameters():
        parameter.grad.mul_(factor.view(-1, *[1] * len(parameter.shape)))
    return norm
