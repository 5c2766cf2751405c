"""A small transformer that continues Python's own documentation, character by character."""

from __future__ import annotations

import pydoc_data.topics
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from chainrule import Loss, Module, Splits, Task
from chainrule.layers import (
    embedding,
    layer_norm,
    linear,
    positional_embedding,
    sequential,
    transformer_block,
    transpose,
)
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule_lab.tasks.split_rows import split_rows

CHARACTERS = 24_000
LENGTH = 24
"""The number of characters of a row."""

SYMBOLS, WIDTH = 128, 32


class CharTransformer(Task):
    """Predict each next character of Python's documentation by one block of a transformer.

    Data:     x 24 characters as ASCII codes and y those that follow them, (N, 24) each: the first 24 000 characters of
              the topics of pydoc_data, which differ between releases of Python, in pieces that are all different
    Network:  embedding of width 32, positions, one causal block of 4 heads, norm, 32 → 128, cross-entropy
    Source:   made up for this benchmark; the text is Python's
    """

    held_out = True
    metrics: ClassVar = {"accuracy": accuracy()}
    settings: ClassVar = {"epochs": 8, "batch_size": 16}

    def splits(self, seed: int) -> Splits:
        return split_rows(*_pieces(), seed, "char_transformer")

    def network(self) -> Module:
        return sequential(
            embedding(SYMBOLS, WIDTH),
            positional_embedding(LENGTH, WIDTH),
            transformer_block(WIDTH, 4, causal=True),
            layer_norm(WIDTH),
            linear(WIDTH, SYMBOLS),
            transpose(1, 2),  # (N, 128, 24): the scores in front of the positions
        )

    def loss(self) -> Loss:
        return cross_entropy()


@cache
def _pieces() -> tuple[Tensor, Tensor]:
    text = "\n\n".join(text for _, text in sorted(pydoc_data.topics.topics.items()))[:CHARACTERS]
    codes = torch.tensor(list(text.encode("ascii", "replace")), device="cpu")
    x, y = (part.unfold(0, LENGTH, LENGTH) for part in (codes[:-1], codes[1:]))
    first_of_each = sorted({tuple(row): i for i, row in reversed(list(enumerate(x.tolist())))}.values())
    return x[first_of_each], y[first_of_each]
