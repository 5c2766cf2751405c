"""Checks of what is passed to `fit`, `evaluate` and `training_step`, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chainrule.arguments import ADVICE, advice, shown
from chainrule.base.protocols import LossLike
from chainrule.errors import CallbackError, ChainruleError
from chainrule.metrics import Metric

NEEDED = {"network": "flat", "loss": "over_members", "optimizer": "attach"}
"""An attribute that each part has once it is ready for use."""


def check_parts(caller: str, **parts: Any) -> None:
    """Raise ChainruleError, in the caller's name, unless network, loss and optimizer are ready for use."""
    for name, part in parts.items():
        if isinstance(part, type) or not hasattr(part, NEEDED[name]):
            raise ChainruleError(f"{caller}: the {name} must be ready for use, got {shown(part)}. {advice(name, part)}")


def check_reduction(caller: str, loss: LossLike) -> None:
    """Raise ChainruleError, in the caller's name, if the loss has no number to minimize."""
    if loss.reduction == "none":
        raise ChainruleError(
            f'{caller}: the loss must have reduction "mean" or "sum", got "none". Use "mean", or write the loop and '
            "weigh the terms with loss.backward(weights)."
        )


def checked_metrics(metrics: Mapping[str, Metric] | None) -> Mapping[str, Metric]:
    """Return the metrics, none by default, or raise ChainruleError unless they are functions by name."""
    if metrics is None:
        return {}
    given: Iterable[Any] = metrics.values() if isinstance(metrics, Mapping) else ()
    if not isinstance(metrics, Mapping) or not all(isinstance(name, str) for name in metrics):
        raise ChainruleError(
            f"metrics: must be a dict of functions by name, got {shown(metrics)}. "
            f'Pass metrics={{"accuracy": accuracy}}, from chainrule.metrics.'
        )
    if "loss" in metrics:
        raise ChainruleError('metrics: the name "loss" is taken by the loss. Rename the metric.')
    for name, metric in zip(metrics, given, strict=True):
        if isinstance(metric, type) or not callable(metric):
            raise ChainruleError(
                f"metrics: {name} must be a function (prediction, target) -> (M,), got {shown(metric)}. "
                "Pass one, such as chainrule.metrics.accuracy."
            )
    return dict(metrics)  # curves of one fit have one length


def checked_callbacks(callbacks: Sequence[object] | None) -> Sequence[object]:
    """Return the callbacks, none by default, or raise CallbackError unless they are a list of instances."""
    if callbacks is None:
        return ()
    if isinstance(callbacks, str | Mapping | type) or not isinstance(callbacks, Iterable):
        raise CallbackError(f"fit: callbacks must be a list, got {shown(callbacks)}. Write callbacks=[progress()].")
    for callback in (found := list(callbacks)):
        if isinstance(callback, type):
            raise CallbackError(
                f"fit: a callback must be an instance, got {shown(callback)}. Did you forget to call it?"
            )
        if isinstance(callback, str):
            raise CallbackError(f"fit: a callback must be an object, got {shown(callback)}. {ADVICE['callback']}")
    return found
