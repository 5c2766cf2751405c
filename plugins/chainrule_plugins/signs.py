"""Signs that keep NaN."""

from __future__ import annotations

import torch
from torch import Tensor


def sign(x: Tensor) -> Tensor:
    """Return −1, 0 or 1 by the sign of x, and NaN for NaN, whose `torch.sign` is 0 and would hide a divergence."""
    return torch.where(x.isnan(), x, x.sign())
