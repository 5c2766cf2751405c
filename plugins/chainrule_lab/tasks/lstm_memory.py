"""An LSTM that has to remember the last marked symbol."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from chainrule import Loss, Module, Splits, Task, random_stream
from chainrule.layers import linear, lstm, sequential, transpose
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule_lab.tasks.split_rows import as_default

SYMBOLS, LENGTH = 4, 20
MARKED = 0.15
"""The probability of a mark, so that a symbol is to be remembered for six or seven steps on average."""


class LstmMemory(Task):
    """Name at every step the symbol that was marked last.

    Data:     x a symbol of four as 0s and a 1, and a mark of 0 or 1 with probability 0.15, always 1 at first, (N, 20,
              5); y the symbol last marked, (N, 20); 800 train, 200 validation, 500 test
    Network:  an LSTM of 16 units, 16 → 4 at every step, cross-entropy
    Source:   after Hochreiter & Schmidhuber 1997, section 5
    """

    held_out = True
    digest = "2a8d82768e1f3e25b32496e666908d0349db1dc5b5cf705f63ee1a2e26a204d7"
    metrics: ClassVar = {"accuracy": accuracy()}
    settings: ClassVar = {"epochs": 20, "batch_size": 50}

    def splits(self, seed: int) -> Splits:
        sizes = {"train": 800, "validation": 200, "test": 500}
        return Splits(*(_sequences(seed, split, rows) for split, rows in sizes.items()))

    def network(self) -> Module:
        return sequential(lstm(SYMBOLS + 1, 16), linear(16, SYMBOLS), transpose(1, 2))

    def loss(self) -> Loss:
        return cross_entropy()


def _sequences(seed: int, split: str, rows: int) -> tuple[Tensor, Tensor]:
    generator = random_stream(seed, "lstm_memory", split)
    symbols = torch.randint(SYMBOLS, (rows, LENGTH), generator=generator, device="cpu")
    marked = torch.rand(rows, LENGTH, generator=generator, dtype=torch.float64, device="cpu") < MARKED
    marked[:, 0] = True
    steps = torch.arange(LENGTH, device="cpu")
    last = torch.where(marked, steps, 0).cummax(1).values
    one_hot = (symbols.unsqueeze(2) == torch.arange(SYMBOLS, device="cpu")).double()
    return as_default(torch.cat([one_hot, marked.double().unsqueeze(2)], 2)), symbols.gather(1, last)
