"""The channels of all members side by side, by which an operation of torch keeps the members apart."""

from __future__ import annotations

from torch import Tensor


def merged(x: Tensor) -> Tensor:
    """Return (M, N, C, …) as (N, M C, …)."""
    return x.squeeze(0) if x.shape[0] == 1 else x.transpose(0, 1).flatten(1, 2)


def split(y: Tensor, members: int) -> Tensor:
    """Return (N, M C, …) as (M, N, C, …)."""
    if members == 1:
        return y.unsqueeze(0)
    return y.view(len(y), members, y.shape[1] // members, *y.shape[2:]).transpose(0, 1)
