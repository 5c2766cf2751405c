"""`evaluate`: the loss and every metric, averaged over the rows of a split."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chainrule.base.protocols import LossLike
from chainrule.errors import ChainruleError
from chainrule.metrics import Metric
from chainrule.network import Network
from chainrule.training.batches import GATHERED_ELEMENTS, as_pair, check_pair
from chainrule.training.running_means import RunningMeans


@torch.no_grad()
def evaluate(
    network: Network,
    loss: LossLike,
    data: tuple[Tensor, Tensor],
    *,
    metrics: Mapping[str, Metric] | None = None,
    per_member: bool = False,
) -> dict[str, Tensor]:
    """Return the mean of the loss and of each metric over all rows, in eval mode and in large batches.

    The loss is the sum of all its terms over the sum of the batches' denominators.

    Args:
        network: a built network, single or ensemble; its mode is restored.
        loss: returned as "loss", as a mean whatever its reduction.
        data: x and y, each (N, …), or with per_member=True (M, N, …).
        metrics: functions (prediction, target) -> (M,) by name.
        per_member: whether each member has its own data.

    Returns:
        Tensors by name, () for a single network and (M,) for an ensemble.

    Raises:
        ShapeError: if data, network and loss do not fit, or the loss counts no row at all.
        ChainruleError: if a metric is called "loss".
    """
    check_metrics(metrics or {})
    x, y = as_pair("evaluate: data", data)
    check_pair("data", x, y, network, per_member=per_member)
    loss = loss.over_members()
    x, y = (network.with_member_axis(tensor, per_member=per_member) for tensor in (x, y))
    size = max(1, GATHERED_ELEMENTS // (x.shape[0] * max(1, x[0, 0].numel()) * 16))
    means = RunningMeans(network.members)
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        for start in range(0, x.shape[1], size):
            inputs, target = x[:, start : start + size], y[:, start : start + size]
            prediction = network.module.forward(inputs)
            mean = loss.mean(prediction, target, per_member=True)
            means.add("loss", mean, loss.denominator(prediction, target))
            for name, metric in (metrics or {}).items():
                means.add(name, metric(prediction, target), inputs.shape[1])
    finally:
        for module, mode in modes:
            module.training = mode
    return {name: mean if network.is_ensemble else mean[0] for name, mean in means.means().items()}


def check_metrics(metrics: Mapping[str, Metric]) -> None:
    """Raise ChainruleError if a metric has the loss's name."""
    if "loss" in metrics:
        raise ChainruleError('metrics: the name "loss" is taken by the loss. Rename the metric.')
