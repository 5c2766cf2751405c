"""Tensors that outlive torch.inference_mode."""

from __future__ import annotations

import torch
from torch import Tensor


def ordinary(tensor: Tensor) -> Tensor:
    """Return the tensor, or a copy of one made in inference mode, which could not change in place outside of it."""
    with torch.inference_mode(False):
        return tensor.clone() if tensor.is_inference() else tensor
