"""Fits whose curve is written down, so that what callbacks make of it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule import History, Network, fit, hookimpl
from chainrule.layers import batch_norm, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam

X, Y = torch.randn(2, 24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class States:
    """The network's state after each epoch, by the number of the epoch."""

    @hookimpl
    def chainrule_fit_start(self) -> None:
        self.after: dict[int, dict[str, Tensor]] = {}

    @hookimpl
    def chainrule_epoch_end(self, run: Any, epoch: int) -> None:
        self.after[epoch] = run.network.state_dict()


def scripted_fit(table: Sequence[Any], callbacks: Sequence[object], **settings: Any) -> tuple[Network, History]:
    """Fit with a curve train_score that has these values, one for each epoch, a list of them for an ensemble."""
    values = torch.tensor(table, dtype=torch.float64)
    rows = iter(values.reshape(len(table), -1))
    seeds = range(values.shape[1]) if values.dim() > 1 else None
    network = sequential(linear(3, 4), batch_norm(4), linear(4, 3)).build(seeds=seeds, dtype=torch.float64)
    settings = {"train": (X, Y), "epochs": len(table), "batch_size": 8, **settings}
    score = {"score": lambda prediction, target: next(rows)}
    rule = settings.pop("optimizer", adam(lr=0.1))
    return network, fit(network, mse(), rule, metrics=score, callbacks=callbacks, **settings)
