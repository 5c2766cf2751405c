"""Evaluate a network on a whole split: per-example means of the loss and of every metric."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule.metrics import Metric
from chainrule.network import Network
from chainrule.protocols import Loss
from chainrule.training.batches import GATHERED_ELEMENTS
from chainrule.training.running_means import RunningMeans


def evaluate(
    network: Network, loss: Loss, x: Tensor, y: Tensor, metrics: Mapping[str, Metric], *, per_member: bool
) -> RunningMeans:
    """Return the mean loss and metrics over all rows, each (M,), computed in eval mode in large batches.

    Shapes: x and y (N, …) shared, or with per_member=True (M, N, …)
    """
    x, y = (network.with_member_axis(tensor, per_member=per_member) for tensor in (x, y))
    size = max(1, GATHERED_ELEMENTS // (x.shape[0] * max(1, x[0, 0].numel()) * 16))
    means = RunningMeans()
    was_training = network.training
    network.eval()
    try:
        for inputs, target in zip(x.split(size, 1), y.split(size, 1), strict=True):
            prediction = network.module.forward(inputs)
            means.add("loss", loss.mean(prediction, target, per_member=True), loss.terms(prediction))
            for name, metric in metrics.items():
                means.add(name, metric(prediction, target), inputs.shape[1])
    finally:
        network.train(was_training)
    return means
