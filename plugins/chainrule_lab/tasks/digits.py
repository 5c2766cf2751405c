"""The handwritten digits of scikit-learn, which come with that package."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from chainrule_lab.extra import lab_required


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return the images (1797, 64), each pixel a multiple of 1/16 in [0, 1], and their classes (1797,)."""
    with lab_required("tasks of digits"):
        from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return torch.from_numpy(images) / 16, torch.from_numpy(classes).long()
