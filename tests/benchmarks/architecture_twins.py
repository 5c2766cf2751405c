"""The same networks in chainrule and in torch.nn, with parameters of the same names, and a batch for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chainrule import Module
from chainrule.activations import relu
from chainrule.layers import (
    conv2d,
    embedding,
    flatten,
    layer_norm,
    linear,
    lstm,
    max_pool2d,
    positional_embedding,
    sequential,
    transformer_block,
    transpose,
)

CHARACTERS, LENGTH, WIDTH, HEADS, BLOCKS = 96, 64, 96, 4, 3
FEATURES, HIDDEN, STEPS = 8, 64, 16


@dataclass(frozen=True)
class Twins:
    """A network made by each of the two, and the batch that they train on.

    Attributes:
        batch: makes x and y.
    """

    title: str
    ours: Callable[[], Module]
    theirs: Callable[[], nn.Module]
    batch: Callable[[], tuple[Tensor, Tensor]]


def our_cnn() -> Module:
    return sequential(
        conv2d(1, 32, 3, padding=1),
        relu(),
        max_pool2d(2),
        conv2d(32, 64, 3, padding=1),
        relu(),
        max_pool2d(2),
        flatten(),
        linear(64 * 2 * 2, 10),
    )


def torch_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 2 * 2, 10),
    )


def our_lstm() -> Module:
    return sequential(lstm(FEATURES, HIDDEN, output="last"), linear(HIDDEN, 10))


class LastOfLstm(nn.LSTM):
    """The last output alone."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0][:, -1]


def torch_lstm() -> nn.Module:
    return nn.Sequential(LastOfLstm(FEATURES, HIDDEN, batch_first=True), nn.Linear(HIDDEN, 10))


def our_transformer() -> Module:
    return sequential(
        embedding(CHARACTERS, WIDTH),
        positional_embedding(LENGTH, WIDTH),
        *[transformer_block(WIDTH, HEADS, causal=True) for _ in range(BLOCKS)],
        layer_norm(WIDTH),
        linear(WIDTH, CHARACTERS),
        transpose(1, 2),
    )


class Positions(nn.Embedding):
    """Learned positions, added."""

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]


class CausalBlock(nn.TransformerEncoderLayer):
    """torch's own block with a causal mask, by its quickest attention."""

    def __init__(self) -> None:
        super().__init__(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(LENGTH), persistent=False)

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        return super().forward(x, src_mask=self.mask, is_causal=True)


class ClassesFirst(nn.Module):
    """Scores with the classes on axis 1."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mT


def torch_transformer() -> nn.Module:
    return nn.Sequential(
        nn.Embedding(CHARACTERS, WIDTH),
        Positions(LENGTH, WIDTH),
        *[CausalBlock() for _ in range(BLOCKS)],
        nn.LayerNorm(WIDTH),
        nn.Linear(WIDTH, CHARACTERS),
        ClassesFirst(),
    )


def digits() -> tuple[Tensor, Tensor]:
    return torch.randn(64, 1, 8, 8), torch.arange(64) % 10


def sequences() -> tuple[Tensor, Tensor]:
    return torch.randn(32, STEPS, FEATURES), torch.arange(32) % 10


def characters() -> tuple[Tensor, Tensor]:
    x = torch.randint(CHARACTERS, (32, LENGTH))
    return x, x.roll(-1, 1)


TWINS = {
    "cnn": Twins("CNN on digits, 8 × 8, batch 64", our_cnn, torch_cnn, digits),
    "lstm": Twins(f"LSTM of width {HIDDEN}, {STEPS} steps, batch 32", our_lstm, torch_lstm, sequences),
    "transformer": Twins(
        f"transformer, {BLOCKS} blocks of width {WIDTH}, {LENGTH} characters, batch 32",
        our_transformer,
        torch_transformer,
        characters,
    ),
}
