"""A quadratic with a condition number of a thousand, of which a step sees a noisy part."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from chainrule import Loss, Module, Splits, Task, random_stream
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.metrics import r2
from chainrule_lab.tasks.split_rows import as_default, on_grid

FEATURES, NOISE = 20, 0.3
CONDITION = 1000.0
"""The ratio of the largest to the smallest eigenvalue of the Hessian."""


class NoisyQuadratic(Task):
    """Fit a linear map whose inputs have scales from 1 to 1/√1000: a quadratic with noise in its gradients.

    Data:     x normal with deviations √λᵢ, λᵢ from 1 to 1/1000 in equal ratios, (N, 20); y = Σᵢ ±xᵢ / √(20 λᵢ) + 0.3 ε,
              (N, 1); 1000 train, 500 validation, 500 test
    Network:  20 → 1 without a bias, mean squared error
    Source:   after Zhang et al. 2019, arXiv:1907.04164, section 3
    """

    digest = "4ba08d90848ed1a690a81a13be6b79babbb9e2d3cfde3b6a97510e0b1b4da4f0"
    metrics: ClassVar = {"r2": r2()}
    settings: ClassVar = {"epochs": 20, "batch_size": 20}

    def splits(self, seed: int) -> Splits:
        sizes = {"train": 1000, "validation": 500, "test": 500}
        return Splits(*(_rows(seed, split, rows) for split, rows in sizes.items()))

    def network(self) -> Module:
        return linear(FEATURES, 1, bias=False)

    def loss(self) -> Loss:
        return mse()


def _rows(seed: int, split: str, rows: int) -> tuple[Tensor, Tensor]:
    generator = random_stream(seed, "noisy_quadratic", split)
    z = torch.randn(rows, FEATURES + 1, generator=generator, dtype=torch.float64, device="cpu")
    scales = CONDITION ** (-torch.arange(FEATURES, dtype=torch.float64, device="cpu") / (FEATURES - 1) / 2)
    signs = 1.0 - 2 * (torch.arange(FEATURES, device="cpu") % 2)
    y = (signs * z[:, :-1]).sum(1, keepdim=True) / FEATURES**0.5 + NOISE * z[:, -1:]
    return as_default(on_grid(scales * z[:, :-1])), as_default(on_grid(y))
