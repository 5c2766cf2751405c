"""The paper's task: is a point of the unit square inside a circle?"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from chainrule import Loss, Module, Splits, Task, random_stream
from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy

RADIUS = 1 / math.sqrt(2 * math.pi)
"""The radius of a circle with half the area of the square."""


class Circle(Task):
    """Classify points as inside or outside the circle with centre (0.5, 0.5) and radius 1/√(2π).

    Data:     x uniform on [0, 1]², (N, 2); y class 1 inside and 0 outside, (N,); 1000 train, 100 validation, 900 test
    Network:  2 → 16 → 32 → 2 with relu, cross-entropy summed over the batch
    Source:   paper section III; the hidden activation and the reduction are assumptions, left open there
    """

    digest = "3484529b6941a4b23f2728a0fac20728bb256e356b06ab59bebc083d71b24ed3"
    metrics: ClassVar = {"accuracy": accuracy()}
    settings: ClassVar = {"epochs": 100, "batch_size": 20}

    def splits(self, seed: int) -> Splits:
        return Splits(
            *(_points(seed, split, rows) for split, rows in (("train", 1000), ("validation", 100), ("test", 900)))
        )

    def network(self) -> Module:
        return sequential(linear(2, 16), relu(), linear(16, 32), relu(), linear(32, 2))

    def loss(self) -> Loss:
        return cross_entropy(reduction="sum")


def _points(seed: int, split: str, rows: int) -> tuple[Tensor, Tensor]:
    x = torch.rand(rows, 2, generator=random_stream(seed, "circle", split), dtype=torch.float64, device="cpu")
    y = ((x - 0.5).square().sum(1) < RADIUS**2).long()
    return x.to(torch.get_default_dtype()), y
