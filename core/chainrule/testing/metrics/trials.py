"""Trials of metrics: the value of several members over batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from chainrule.base.metric import Metric, MetricLike
from chainrule.training.metric_values import MetricValues

MetricExample = tuple[Metric, Tensor, Tensor]
"""A metric, a sample prediction (N, …) and a matching target."""


def three_members(example: MetricExample) -> tuple[Tensor, Tensor]:
    """Return predictions and targets of three members, (3, N, …), each with an order of rows of its own."""
    _, prediction, target = example
    predictions = torch.stack([prediction, prediction.flip(0), prediction.roll(1, 0)])
    return predictions, torch.stack([target.roll(i, 0) for i in range(3)])


def values_over(
    metrics: Mapping[str, MetricLike], prediction: Tensor, target: Tensor, sizes: Sequence[int] | None = None
) -> dict[str, Tensor]:
    """Return the values of members, (M, N, …), over batches of these sizes, of all rows at once by default."""
    values, start = MetricValues(metrics, len(prediction)), 0
    for size in sizes or [prediction.shape[1]]:
        values.add(prediction[:, start : start + size], target[:, start : start + size])
        start += size
    return values.values()


def value_over(metric: Metric, prediction: Tensor, target: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
    """Return the value of one metric, as `values_over` does."""
    return values_over({"value": metric}, prediction, target, sizes)["value"]
