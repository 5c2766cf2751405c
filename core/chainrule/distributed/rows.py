"""Steps that several processes take together on one network, each with its share of the rows."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from chainrule.base.optimizer import Optimizer
from chainrule.base.protocols import LossLike
from chainrule.distributed.processes import Place, together
from chainrule.errors import ChainruleError
from chainrule.network import Network
from chainrule.training.steps.eager import Outputs, TrainingStep
from chainrule.updates.updater import Updater

MIXED = {torch.float32: 1e-3, torch.float64: 1e-8}
"""The least difference of a gradient, relative to its largest number, that cannot come from rounding."""


class SharedRows:
    """An optimizer for steps that are taken together."""

    def __init__(self, optimizer: Any, place: Place) -> None:
        self._optimizer = optimizer
        self.groups: Mapping[str, Optimizer] = optimizer.groups if hasattr(optimizer, "groups") else {"*": optimizer}
        self.step_form = partial(SharedStep, place=place)

    def attach(self, network: Network, *, clip_norm: float | None = None, compile: bool = False) -> Updater:
        """Return the updater of the network."""
        if drawn := list(network.random_state()):
            raise ChainruleError(
                f"distributed.fit: the layers of one network must draw no random numbers, got {', '.join(drawn)}. "
                "Leave dropout out, or train an ensemble, whose members are divided."
            )
        updater: Updater = self._optimizer.attach(network, clip_norm=clip_norm, compile=compile)
        return updater


class SharedStep(TrainingStep):
    """Takes steps as `TrainingStep` does: each process sees its rows of the batch, and one all-reduce sums.

    Beside the gradient it has the loss, the denominators and the predictions, so that each process has those of all.
    """

    def __init__(self, network: Network, loss: LossLike, updater: Updater, *, place: Place) -> None:
        super().__init__(network, loss, updater)
        self._place = place
        self._is_checked = False

    def accumulate(self, x: Tensor, y: Tensor) -> Outputs:
        """Put the gradient of the whole batch in place, and return its prediction and loss."""
        rows, (rank, size) = x.shape[1], self._place
        own = slice(rows * rank // size, rows * (rank + 1) // size)
        is_idle = own.start == own.stop
        if is_idle:
            own = slice(0, 1)  # for the form of a prediction
        part, value = super().accumulate(x[:, own], y[:, own])
        grad, counted = self.network.flat.grad, torch.ones_like(value)
        if self.loss.reduction == "mean":
            counted = counted * self.loss.denominator(part, y[:, own])
        prediction = part.new_zeros(1, rows, *part.shape[2:])
        prediction[:, own] = part
        summed = torch.cat([grad * counted, value * counted, counted, prediction.flatten()])
        if is_idle:
            summed.zero_()
        together(lambda: dist.all_reduce(summed))
        grads, value, counted, predictions = torch.split(summed, [len(grad), 1, 1, prediction.numel()])
        total = counted if self.loss.reduction == "mean" else 1
        grad.copy_(grads / total)
        if not self._is_checked:
            self._is_checked = True
            self._expect_rows_apart(x, y)
        return predictions.view_as(prediction), value / total

    def _expect_rows_apart(self, x: Tensor, y: Tensor) -> None:
        """Raise ChainruleError if the gradient is not that of the whole batch in one process."""
        network, loss = copy.deepcopy(self.network), copy.deepcopy(self.loss)
        network.zero_grad()
        loss(network.module.forward(x), y, per_member=True)
        network.module.backward(loss.backward())
        got, expected = self.network.flat.grad, network.flat.grad
        error = ((got - expected).abs().max() / expected.abs().max().clamp(min=torch.finfo(got.dtype).tiny)).item()
        if error > MIXED[got.dtype]:
            raise ChainruleError(
                f"distributed.fit: the layers of one network must treat the rows of a batch one by one, got a gradient "
                f"that differs by {error:.2g} from the whole batch's. Leave out layers such as batch_norm, and pass "
                "the same batches to every process."
            )
