"""`batch_values`: what an evaluation takes from one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from chainrule.base.metric import Metric
from chainrule.base.protocols import LossLike
from chainrule.base.saved_tensors import version
from chainrule.errors import ContractError, ShapeError
from chainrule.inspection import expect_declared_shapes
from chainrule.network import Network
from chainrule.watched_pass import watched


class BatchValues(NamedTuple):
    """What the values over a split follow from, for one batch.

    Attributes:
        prediction: (M, N, …).
        mean: the mean loss, (M,).
        denominator: what that was divided by, a number or (M,).
        sums: of metrics, by their names, where these are computed with the rest.
    """

    prediction: Tensor
    mean: Tensor
    denominator: float | Tensor
    sums: Mapping[str, Mapping[str, Tensor | float]]


def batch_values(network: Network, loss: LossLike, inputs: Tensor, target: Tensor) -> BatchValues:
    """Return the values of a batch (M, N, …), for a network in eval mode and a loss over members, but for metrics."""
    before = version(inputs)
    try:
        prediction = network.module.forward(inputs)
        if version(inputs) != before:
            with watched(network.modules(), inputs, {}):  # which names the module
                network.module.forward(inputs)
    except (RuntimeError, NotImplementedError, ShapeError) as error:
        expect_declared_shapes(network.module, inputs, error)
        raise
    try:
        mean, denominator = loss.mean(prediction, target, per_member=True), loss.denominator(prediction, target)
    except ShapeError as error:
        expect_declared_shapes(network.module, inputs, error)
        raise
    return BatchValues(prediction, mean, denominator, {})


def sums_of(name: str, metric: Metric, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
    """Return the sums of a metric for a batch.

    Raises:
        ContractError: if it changes prediction or target.
    """
    before = versions(prediction, target)
    found = metric.sums(prediction, target)
    expect_untouched(name, prediction, target, before)
    return found


def versions(prediction: Tensor, target: Tensor) -> tuple[int, int]:
    """Return what `expect_untouched` compares."""
    return version(prediction), version(target)


def expect_untouched(name: str, prediction: Tensor, target: Tensor, before: tuple[int, int]) -> None:
    """Raise ContractError if a metric has changed what the others, and the caller, see."""
    now = versions(prediction, target)
    if now != before:
        part = "prediction" if now[0] != before[0] else "target"
        raise ContractError(
            f'metric "{name}": must leave prediction and target as they are, got the {part} changed in place. '
            "Write operations without the underscore, or change a clone()."
        )
