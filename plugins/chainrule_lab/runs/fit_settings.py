"""The arguments of `fit` but for network, loss, optimizer and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule import ChainruleError, Task, fit
from chainrule.arguments import flag, integer, number, shown
from chainrule.calls import signature_of
from chainrule.training.passed_parts import checked_metrics
from chainrule_lab.runs.parts import NONE, Part, read_part
from chainrule_lab.runs.place import Place

OF_THE_RUN = ("network", "loss", "optimizer", "train", "validation", "per_member", "checkpoint")
"""Arguments of `fit` that a run gives by other keys, or by itself; its data is shared by all members."""

FIT_KEYS = tuple(name for name in signature_of(fit).parameters if name not in OF_THE_RUN)


def read_fit_settings(place: Place, given: Mapping[str, Any], task: Task | None) -> dict[str, Any]:
    """Return the arguments by name, with components as parts, and what is not given from the task or `fit`.

    Raises:
        ChainruleError: if a value does not fit.
    """
    found: dict[str, Any] = {name: signature_of(fit).parameters[name].default for name in FIT_KEYS}
    found |= {"metrics": [], "callbacks": []}
    if task is not None:
        found |= {name: value for name, value in task.settings.items() if name in FIT_KEYS}
        found["metrics"] = dict(task.metrics)
    for name in FIT_KEYS:
        if name in given:
            found[name] = _read(place, name, given[name])
    return found


def _read(place: Place, name: str, value: Any) -> Any:
    if name in ("epochs", "batch_size"):
        return integer(place.file, name, value, at_least=1)
    if name == "clip_norm":
        return None if value == NONE else number(place.file, name, value, above=0)
    if name == "every":
        return value if value == "epoch" else integer(place.file, name, value, at_least=1)
    if name in ("metrics", "callbacks"):
        return _parts(place.at(name), value, name)
    return flag(place.file, name, value)


def _parts(place: Place, value: Any, kind: str) -> list[Part] | dict[str, Part]:
    if isinstance(value, Mapping) and kind == "metrics":
        return {name: read_part(place.at(name), one, (kind,)) for name, one in value.items()}
    if not isinstance(value, list):
        raise place.error(f"must be a list, got {shown(value)}. Write {kind} = [ … ].")
    return [read_part(place.at(index), one, (kind,)) for index, one in enumerate(value)]


def expect_metrics(place: Place, metrics: Any) -> None:
    """Raise ChainruleError if `fit` does not take these metrics as curves."""
    try:
        checked_metrics("fit", metrics, for_curves=True)
    except ChainruleError as error:
        raise place.error_of(error, "fit") from error
