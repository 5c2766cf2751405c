"""`evaluate`: the loss and every metric over a split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import torch
from torch import Tensor

from chainrule.arguments import flag
from chainrule.base.member_rows import Chosen
from chainrule.base.metric import Metric, MetricLike
from chainrule.base.protocols import LossLike, ModuleLike
from chainrule.calls import explained
from chainrule.network import Network
from chainrule.training.batch_values import batch_values
from chainrule.training.batches import (
    GATHERED_ELEMENTS,
    Batches,
    Data,
    IterableBatches,
    check_pair,
    checked_data,
    is_pair,
)
from chainrule.training.finite_data import expect_targets
from chainrule.training.metric_values import MetricValues
from chainrule.training.output_kinds import warn_of_probabilities, warn_of_thresholds
from chainrule.training.passed_parts import Metrics, check_parts, checked_metrics
from chainrule.training.running_means import RunningMeans
from chainrule.training.steps.compiled_evaluation import CompiledEvaluation

CACHED_ELEMENTS = 2**18
"""The most elements of an activation for each thread, so that it stays in a core's cache from layer to layer.

Where the value for all rows may depend on how they are batched, a batch has as many as memory allows.
"""

SERIAL_THREADS = 2
"""Up to so many threads a compiled evaluation, which uses one but in matrix products, is quicker for any data."""


@explained
@torch.no_grad()
def evaluate(
    network: Network,
    loss: LossLike,
    data: Data,
    *,
    metrics: Metrics | None = None,
    per_member: bool = False,
) -> dict[str, Tensor]:
    """Return the mean loss and the value of each metric over all rows, in eval mode and in large batches.

    The loss is the sum of all its terms over the sum of the batches' denominators.

    Args:
        network: a built network, single or ensemble; its mode is restored.
        loss: returned as "loss", as a mean whatever its reduction.
        data: tensors x and y, each (N, …), or with per_member=True (M, N, …), or an iterable of batches of these.
        metrics: metrics or their names, in a list or by name in a dict, such as ["accuracy"]; also functions
            (prediction, target) -> (M,), which are averaged over the rows.
        per_member: whether each member has its own data.

    Returns:
        Tensors by name, () for a single network and (M,) for an ensemble; of a metric that is not one number, such as
        a confusion matrix, with its further axes.

    Raises:
        ShapeError: if data, network and loss do not fit, or the loss counts no row at all.
        ChainruleError: if a part is not ready for use, or a metric is not known.
    """
    check_parts("evaluate", network=network, loss=loss)
    metrics, data = checked_metrics("evaluate", metrics), checked_data("evaluate: data", data)
    warn_of_probabilities("evaluate", network, loss)
    warn_of_thresholds("evaluate", loss, metrics.values())
    per_member = flag("evaluate", "per_member", per_member)
    if is_pair(data):
        check_pair("evaluate: data", *data, network, per_member=per_member)
        expect_targets(network, loss.over_members(), *data, per_member=per_member)
    return values_over("evaluate: data", network, loss.over_members(), data, metrics, per_member=per_member)


def values_over(
    name: str,
    network: Network,
    loss: LossLike,
    data: Data,
    metrics: Mapping[str, MetricLike],
    *,
    per_member: bool,
    chosen: Chosen | None = None,
    compiled: CompiledEvaluation | None = None,
) -> dict[str, Tensor]:
    """Return what `evaluate` does, for checked parts and a loss over members; errors begin with the data's name.

    The network has the chosen members alone where there is a choice, and the data all of them. Batches of tensors go
    through the compiled evaluation where there is one.
    """
    means, values = RunningMeans(network.members), MetricValues(metrics, network.members)
    modes = [(module, module.training) for module in network.modules()]
    _set_modes((module, False) for module, _ in modes)
    try:
        batches: Iterator[tuple[Tensor, Tensor]]
        if is_pair(data):
            if compiled:
                compiled.follow_settings()
            pair = (chosen.of(data[0]), chosen.of(data[1])) if chosen and per_member else data
            x, y = (network.with_member_axis(tensor, per_member=per_member) for tensor in pair)
            size, compiled = _batching(x, network, loss, metrics, chosen.built if chosen else network.members, compiled)
            batches = _slices(x, y, size)
        else:
            own = cast("Batches", data)
            compiled, batches = None, _given(name, own, network, chosen if per_member else None, per_member=per_member)
        for inputs, target in batches:
            quick = compiled(inputs, target) if compiled else None
            batch = quick or batch_values(network, loss, inputs, target)
            means.add("loss", batch.mean, batch.denominator)
            values.add(batch.prediction, target, batch.sums)
    finally:
        _set_modes(modes)
    found = means.means() | values.values()
    return {key: value if network.is_ensemble else value[0] for key, value in found.items()}


def _set_modes(modes: Iterable[tuple[ModuleLike, bool]]) -> None:
    """Set the mode of modules, for a while: it does not count as a change of settings, so compiled steps stay valid."""
    for module, mode in modes:
        object.__setattr__(module, "training", mode)


def _may_be_cached(network: Network, loss: LossLike, metrics: Mapping[str, MetricLike]) -> bool:
    """Whether batches may be small enough for a core's cache, since no value depends on how rows are batched."""
    return (
        network.device.type == "cpu"
        and getattr(loss, "batch_independent", False)
        and all(getattr(module, "batch_independent", True) for module in network.modules())
        and all(isinstance(one, Metric) for one in metrics.values())
    )


def _batching(
    x: Tensor,
    network: Network,
    loss: LossLike,
    metrics: Mapping[str, MetricLike],
    members: int,
    compiled: CompiledEvaluation | None,
) -> tuple[int, CompiledEvaluation | None]:
    """Return the rows of a batch, and the compiled evaluation unless it would be slower than the eager one.

    So many members share the memory for the widest layer's activation. Data of more than a batch for one thread is
    evaluated eagerly by several, which a compiled function does not use.
    """
    widths = [parameter.shape[0] for parameter in network.parameters() if len(parameter.shape) > 1]
    widest, threads = members * max(1, x.shape[2:].numel(), *widths), torch.get_num_threads()
    if x.shape[1] * widest > CACHED_ELEMENTS and threads > SERIAL_THREADS:
        compiled = None
    if not _may_be_cached(network, loss, metrics):
        return max(1, GATHERED_ELEMENTS // 16 // widest), compiled
    size = max(1, CACHED_ELEMENTS * threads // widest)
    return compiled.rows_of_a_batch(size) if compiled else size, compiled


def _slices(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield x and y (M, N, …) in batches of so many rows."""
    if size >= x.shape[1]:
        yield x, y
        return
    for start in range(0, x.shape[1], size):
        yield x[:, start : start + size], y[:, start : start + size]


def _given(
    name: str, data: Batches, network: Network, chosen: Chosen | None, *, per_member: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of an iterable, (M, B, …)."""
    for xs, ys in IterableBatches(name, data, network, per_member=per_member).epoch(1, chosen=chosen):
        yield from zip(xs, ys, strict=True)
