"""Evaluate a network on a whole split: per-example means of the loss and of every metric."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule.metrics import Metric
from chainrule.network import Network
from chainrule.protocols import Loss
from chainrule.training.batches import GATHERED_ELEMENTS


def evaluate(
    network: Network, loss: Loss, x: Tensor, y: Tensor, metrics: Mapping[str, Metric], *, per_member: bool
) -> dict[str, Tensor]:
    """Return the mean loss and metrics over all rows, each (M,), computed in eval mode in large batches.

    Shapes: x and y (N, …) shared, or with per_member=True (M, N, …)
    """
    x, y = (network.with_member_axis(tensor, per_member=per_member) for tensor in (x, y))
    rows = x.shape[1]
    size = max(1, GATHERED_ELEMENTS // (x.shape[0] * max(1, x[0, 0].numel()) * 16))
    functions = {"loss": lambda prediction, target: loss.mean(prediction, target, per_member=True), **metrics}
    totals: dict[str, Tensor] = {}
    was_training = network.training
    network.eval()
    try:
        for start in range(0, rows, size):
            part = slice(start, min(start + size, rows))
            prediction, target = network.module.forward(x[:, part]), y[:, part]
            for name, function in functions.items():
                value = function(prediction, target) * ((part.stop - part.start) / rows)
                totals[name] = totals[name] + value if name in totals else value
    finally:
        network.train(was_training)
    return totals
