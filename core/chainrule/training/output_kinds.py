"""A warning where a network ends in probabilities and the loss takes something else."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from chainrule.base.metric import MetricLike
from chainrule.base.protocols import LossLike
from chainrule.errors import label, levels_to_the_caller
from chainrule.network import Network

FIXES = {
    "scores": "Leave {0} out, so that the loss has the scores before it.",
    "log-probabilities": "Let it end in their logarithms in place of {0}.",
}
"""What to do by what the loss takes."""


def warn_of_probabilities(caller: str, network: Network, loss: LossLike) -> None:
    """Warn, in the caller's name, if the network gives probabilities where the loss takes something else."""
    takes = getattr(loss, "takes", "any")
    if takes not in FIXES or getattr(network.module, "gives", "any") != "probabilities":
        return
    last = next(one for one in reversed(network.modules()) if getattr(one, "gives", "any") == "probabilities")
    warnings.warn(
        f"{caller}: {label(loss)} takes {takes}, but the network ends in {label(last)}, which gives probabilities. "
        f"{FIXES[takes].format(label(last))}",
        stacklevel=levels_to_the_caller(),
    )


def warn_of_thresholds(caller: str, loss: LossLike, metrics: Iterable[MetricLike]) -> None:
    """Warn, in the caller's name, if a metric takes each output for a probability that the loss takes for a score."""
    if getattr(loss, "takes", "any") != "scores" or getattr(loss, "class_axis", None) is not None:
        return
    for metric in metrics:
        if getattr(metric, "takes", "any") == "probabilities":
            warnings.warn(
                f"{caller}: {label(metric)} takes the network's output for a probability, but {label(loss)} for a "
                f"score. Set its threshold to that of scores: {label(metric)}(threshold=0).",
                stacklevel=levels_to_the_caller(),
            )
