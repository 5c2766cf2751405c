"""Tables for components that exist already, such as a task's network."""

from __future__ import annotations

from typing import Any

from chainrule import ChainruleError, Module, Parameter, Task, label
from chainrule.base.settings import Settings
from chainrule.calls import signature_of
from chainrule.registry import components, load, state
from chainrule.training.run_settings import described
from chainrule_lab.runs.parts import MODULES, NAME, Part, read_part, written
from chainrule_lab.runs.place import Place
from chainrule_lab.runs.type_hints import hints_of, kinds_in, takes_none


def parts_of(place: Place, instance: object, kinds: tuple[str, ...]) -> Part | list[Part] | None:
    """Return a part that makes an equal component, or those of a sequence of modules.

    None stands for a component whose attributes do not have its arguments.
    """
    table = _table(instance, kinds)
    if table is None or type(instance).__repr__ is object.__repr__:
        return None
    try:
        part = read_part(place, table, kinds)
        if not _is_same(instance, part.make()):
            return None
    except ChainruleError:
        return None
    if part.name != "sequential":
        return part
    return [read_part(place.at(index), one, kinds) for index, one in enumerate(table["modules"])]


def task_parts(place: Place, task: Task) -> dict[str, Any]:
    """Return network, loss and metrics of a task as parts, as far as they can be described."""
    metrics = {name: parts_of(place.at("metrics", name), one, ("metrics",)) for name, one in task.metrics.items()}
    found: dict[str, Any] = {
        "network": parts_of(place.at("network"), of_task(place, task, "network"), MODULES),
        "loss": parts_of(place.at("loss"), of_task(place, task, "loss"), ("losses",)),
        "metrics": None if None in metrics.values() else metrics,
    }
    return {name: part for name, part in found.items() if part is not None}


def of_task(place: Place, task: Task | None, what: str) -> Any:
    """Return a new network or loss of a task."""
    try:
        return getattr(task, what)()
    except Exception as error:  # a plugin may raise anything
        raise place.at("task").error_of(error, what) from error


def _table(instance: object, kinds: tuple[str, ...]) -> dict[str, Any] | None:
    cls: Any = type(instance)
    name = label(instance)
    if not any(
        one.name == name and state(one) == "declared" and load(one) is cls for k in kinds for one in components(k)
    ):
        return None
    table: dict[str, Any] = {NAME: name}
    hints = hints_of(cls)
    for key, parameter in signature_of(cls).parameters.items():
        value = getattr(instance, key, parameter.default)
        if isinstance(parameter.default, bool) and (value is None or isinstance(value, Parameter)):
            value = value is not None  # bias=True leaves a parameter of that name, bias=False None
        if parameter.kind is parameter.VAR_POSITIONAL:
            several = value if isinstance(value, list | tuple) else ()
            value = [_table(one, kinds) for one in several]
        elif isinstance(value, Module | Settings):
            value = _table(value, kinds_in(hints[key]))
        elif value is parameter.empty or (value is parameter.default is None and not takes_none(hints[key])):
            continue
        table[key] = as_given = written(value, hints[key])
        if as_given is None:
            return None
    return table


def _is_same(one: Any, other: Any) -> bool:
    """Return whether two components have one repr and parameters of one shape and initializer."""
    if not isinstance(one, Module):
        return described(one) == described(other)
    mine, theirs = (
        [(name, each.shape, described(each.init), each.fan_in, each.fan_out) for name, each in _parameters(module)]
        for module in (one, other)
    )
    return described(one) == described(other) and mine == theirs


def _parameters(module: Module) -> list[tuple[str, Parameter]]:
    return [
        (f"{prefix}.{name}", parameter)
        for prefix, inner in module.named_modules()
        for name, parameter in inner.own_parameters()
    ]
