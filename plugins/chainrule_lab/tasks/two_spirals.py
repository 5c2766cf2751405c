"""Two spirals wound into each other, told apart by a deep and narrow network."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from chainrule import Loss, Module, Splits, Task, random_stream
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule_lab.tasks.split_rows import as_default, on_grid

TURNS, NOISE = 1.0, 0.08
DEPTH, WIDTH = 5, 8


class TwoSpirals(Task):
    """Tell two spirals apart by a deep and narrow network, whose gradients shrink on their way down.

    Data:     x points (N, 2) at radius r from 0.1 to 1 and angle 2π r, half of them turned by π, with noise of 0.08; y
              the spiral, (N,); 600 train, 200 validation, 1000 test
    Network:  2 → 8, four times 8 → 8, → 2, with tanh, cross-entropy
    Source:   Lang & Witbrock 1988, with fewer turns
    """

    digest = "083a21f0a7a9a692c275ad61f1e8868d053934bcf380d67ce0ae663c3a5cd613"
    metrics: ClassVar = {"accuracy": accuracy()}
    settings: ClassVar = {"epochs": 40, "batch_size": 50}

    def splits(self, seed: int) -> Splits:
        sizes = {"train": 600, "validation": 200, "test": 1000}
        return Splits(*(_points(seed, split, rows) for split, rows in sizes.items()))

    def network(self) -> Module:
        sizes = [2] + [WIDTH] * DEPTH
        hidden = [layer for i in range(DEPTH) for layer in (linear(sizes[i], sizes[i + 1]), tanh())]
        return sequential(*hidden, linear(WIDTH, 2))

    def loss(self) -> Loss:
        return cross_entropy()


def _points(seed: int, split: str, rows: int) -> tuple[Tensor, Tensor]:
    generator = random_stream(seed, "two_spirals", split)
    radius = 0.1 + 0.9 * torch.rand(rows, generator=generator, dtype=torch.float64, device="cpu")
    noise = torch.randn(rows, 2, generator=generator, dtype=torch.float64, device="cpu")
    y = torch.arange(rows, device="cpu") % 2
    angle = 2 * math.pi * TURNS * radius + math.pi * y
    x = radius.unsqueeze(1) * torch.stack([angle.cos(), angle.sin()], 1) + NOISE * noise
    return as_default(on_grid(x)), y
