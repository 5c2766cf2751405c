"""The same networks in chainrule and in torch.nn, with parameters of the same names, and a batch for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chainrule import Module
from chainrule.activations import relu
from chainrule.layers import conv2d, flatten, linear, sequential


@dataclass(frozen=True)
class Twin:
    """A network made by each of the two, and the batch that they train on."""

    title: str
    ours: Callable[[], Module]
    theirs: Callable[[], nn.Module]
    x: Tensor
    y: Tensor


def our_cnn() -> Module:
    return sequential(
        conv2d(1, 16, 3, padding=1),
        relu(),
        conv2d(16, 32, 3, stride=2, padding=1),
        relu(),
        flatten(),
        linear(32 * 16, 10),
    )


def torch_cnn() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 16, 10),
    )


def classes(rows: int, count: int) -> Tensor:
    return torch.arange(rows) % count


TWINS = {
    "cnn": Twin("CNN on 8 × 8 digits, batch 64", our_cnn, torch_cnn, torch.randn(64, 1, 8, 8), classes(64, 10)),
}
