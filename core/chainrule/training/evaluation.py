"""`evaluate`: the loss and every metric, averaged over the rows of a split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor

from chainrule.arguments import flag
from chainrule.base.protocols import LossLike
from chainrule.calls import explained
from chainrule.metrics import Metric
from chainrule.network import Network
from chainrule.training.batches import (
    GATHERED_ELEMENTS,
    Batches,
    Data,
    IterableBatches,
    check_pair,
    checked_data,
    is_pair,
)
from chainrule.training.passed_parts import check_parts, checked_metrics
from chainrule.training.running_means import RunningMeans


@explained
@torch.no_grad()
def evaluate(
    network: Network,
    loss: LossLike,
    data: Data,
    *,
    metrics: Mapping[str, Metric] | None = None,
    per_member: bool = False,
) -> dict[str, Tensor]:
    """Return the mean of the loss and of each metric over all rows, in eval mode and in large batches.

    The loss is the sum of all its terms over the sum of the batches' denominators.

    Args:
        network: a built network, single or ensemble; its mode is restored.
        loss: returned as "loss", as a mean whatever its reduction.
        data: tensors x and y, each (N, …), or with per_member=True (M, N, …), or an iterable of batches of these.
        metrics: functions (prediction, target) -> (M,) by name.
        per_member: whether each member has its own data.

    Returns:
        Tensors by name, () for a single network and (M,) for an ensemble.

    Raises:
        ShapeError: if data, network and loss do not fit, or the loss counts no row at all.
        ChainruleError: if a part is not ready for use, or metrics are not functions by name.
    """
    check_parts("evaluate", network=network, loss=loss)
    metrics, data = checked_metrics(metrics), checked_data("evaluate: data", data)
    per_member = flag("evaluate", "per_member", per_member)
    return means_over("evaluate: data", network, loss.over_members(), data, metrics, per_member=per_member)


def means_over(
    name: str, network: Network, loss: LossLike, data: Data, metrics: Mapping[str, Metric], *, per_member: bool
) -> dict[str, Tensor]:
    """Return what `evaluate` does, for checked parts and a loss over members; errors begin with the data's name."""
    means = RunningMeans(network.members)
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        for inputs, target in _large_batches(name, data, network, per_member=per_member):
            prediction = network.module.forward(inputs)
            mean = loss.mean(prediction, target, per_member=True)
            means.add("loss", mean, loss.denominator(prediction, target))
            for label, metric in metrics.items():
                means.add(label, metric(prediction, target), inputs.shape[1])
    finally:
        for module, mode in modes:
            module.training = mode
    return {key: mean if network.is_ensemble else mean[0] for key, mean in means.means().items()}


def _large_batches(name: str, data: Data, network: Network, *, per_member: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches (M, B, …) of x and y, or those of an iterable."""
    if not is_pair(data):
        yield from IterableBatches(name, cast("Batches", data), network, per_member=per_member).epoch(1)
        return
    check_pair(name, *data, network, per_member=per_member)
    x, y = (network.with_member_axis(tensor, per_member=per_member) for tensor in data)
    size = max(1, GATHERED_ELEMENTS // (x.shape[0] * max(1, x[0, 0].numel()) * 16))
    for start in range(0, x.shape[1], size):
        yield x[:, start : start + size], y[:, start : start + size]
