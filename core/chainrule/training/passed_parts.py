"""Checks of what is passed to `fit`, `evaluate` and `training_step`, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from chainrule.arguments import ADVICE, advice, is_description, is_iterable, shown
from chainrule.base.metric import Metric, MetricLike
from chainrule.base.protocols import LossLike
from chainrule.calls import signature_of
from chainrule.errors import CallbackError, ChainruleError, label
from chainrule.registry import create, get

Named: TypeAlias = MetricLike | type[Metric] | str

Metrics: TypeAlias = Mapping[str, Named] | Sequence[Named]
"""Metrics, their classes or registered names, or functions, in a list or by name."""

NEEDED = {"network": "flat", "loss": "over_members", "optimizer": "attach"}
"""An attribute that each part has once it is ready for use."""


def check_parts(caller: str, **parts: Any) -> None:
    """Raise ChainruleError, in the caller's name, unless network, loss and optimizer are ready for use."""
    for name, part in parts.items():
        if isinstance(part, str) and name != "network":
            get(name, part)  # which answers an unknown name
        if isinstance(part, type) or not hasattr(part, NEEDED[name]):
            is_groups = name == "optimizer" and isinstance(part, Mapping) and not is_description(part)
            fix = "Write chainrule.param_groups(…) around it." if is_groups else advice(name, part)
            raise ChainruleError(f"{caller}: the {name} must be ready for use, got {shown(part)}. {fix}")


def check_reduction(caller: str, loss: LossLike) -> None:
    """Raise ChainruleError, in the caller's name, if the loss has no number to minimize."""
    if loss.reduction == "none":
        raise ChainruleError(
            f'{caller}: the loss must have reduction "mean" or "sum", got "none". Use "mean", or write the loop and '
            "weigh the terms with loss.backward(weights)."
        )


def checked_metrics(caller: str, metrics: Metrics | None, *, for_curves: bool = False) -> dict[str, MetricLike]:
    """Return the metrics by name, none by default, each ready for use.

    Raises:
        ChainruleError: if they are not a list or a dict of metrics, functions and registered names, if two have one
            name, or for_curves=True and one is not one number for each member.
    """
    if metrics is None:
        return {}
    if isinstance(metrics, str | type) or not isinstance(metrics, Mapping | Sequence):
        raise ChainruleError(
            f'{caller}: metrics must be a list or a dict by name, got {shown(metrics)}. Pass metrics=["accuracy"].'
        )
    pairs = list(metrics.items()) if isinstance(metrics, Mapping) else [(_name_of(caller, one), one) for one in metrics]
    found: dict[str, MetricLike] = {}
    for name, given in pairs:
        if name == "loss":
            raise ChainruleError(f'{caller}: the name "loss" must be the loss\'s own, got a metric. Rename the metric.')
        if not isinstance(name, str) or name in found:
            got = f"{shown(name)} twice" if name in found else shown(name)
            raise ChainruleError(
                f"{caller}: the names of metrics must be different texts, got {got}. Name them in a dict."
            )
        found[name] = _metric(caller, name, given)
        if for_curves and isinstance(metric := found[name], Metric) and not metric.one_number:
            raise ChainruleError(
                f"{caller}: a metric must be one number for each member, as a curve needs, got {label(metric)}. "
                "Pass it to chainrule.evaluate after the fit."
            )
    return found  # of the fit's own, since its curves have one length


def _name_of(caller: str, metric: Any) -> str:
    """Return the name under which a list's metric is recorded."""
    if isinstance(metric, str):
        return metric.rpartition(":")[2]
    if isinstance(metric, Metric) or (isinstance(metric, type) and issubclass(metric, Metric)):
        return label(metric)
    name: str = getattr(metric, "__name__", "")
    if not name.isidentifier():
        raise ChainruleError(
            f'{caller}: a metric in a list must have a name, got {shown(metric)}. Write metrics={{"name": …}}.'
        )
    return name


def _metric(caller: str, name: str, given: Any) -> MetricLike:
    """Return a metric for its instance, its class or its registered name; a function as it is."""
    if isinstance(given, str):
        given = create("metrics", given)
    elif isinstance(given, type) and issubclass(given, Metric):
        given = given()
    if isinstance(given, type) or not callable(given):
        raise ChainruleError(
            f"{caller}: metric {name} must be a metric, its name, or a function (prediction, target) -> (M,), got "
            f"{shown(given)}. {ADVICE['metric']}"
        )
    if not isinstance(given, Metric) and not _takes_two(given):
        raise ChainruleError(
            f"{caller}: metric {name} must take (prediction, target), got {shown(given)}. Write a function of both."
        )
    metric: MetricLike = given
    return metric


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        signature_of(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # compiled code may have no signature
        return True
    return True


def checked_callbacks(callbacks: Sequence[object] | None) -> Sequence[object]:
    """Return the callbacks, none by default, or raise CallbackError unless they are a list of instances."""
    if callbacks is None:
        return ()
    if isinstance(callbacks, str | Mapping | type) or not is_iterable(callbacks):
        raise CallbackError(f"fit: callbacks must be a list, got {shown(callbacks)}. Write callbacks=[progress()].")
    for callback in (found := list(callbacks)):
        if isinstance(callback, type):
            raise CallbackError(
                f"fit: a callback must be an instance, got {shown(callback)}. Did you forget to call it?"
            )
        if isinstance(callback, str):
            raise CallbackError(f"fit: a callback must be an object, got {shown(callback)}. {ADVICE['callback']}")
    return found
