"""The description of a loaded component, as a record for printing and for JSON."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import Any

from chainrule import registry
from chainrule.base.wrapper import Wrapper
from chainrule.calls import signature_of
from chainrule.errors import ChainruleError, label
from chainrule.formulas import docstring_of, sections
from chainrule.registry.component import Component
from chainrule.registry.source_files import source_file

DECLARED = ("at_least", "above", "at_most", "below", "search", "per_member")


def describe(component: Component, loaded: Any) -> dict[str, Any]:
    """Return everything that ``chainrule show`` prints, under the keys of its JSON."""
    docstring = docstring_of(loaded)
    hyperparameters = _hyperparameters(loaded)
    return {
        "kind": component.kind,
        "name": component.name,
        "summary": docstring.partition("\n")[0],
        "docstring": docstring,
        "sections": sections(docstring),
        "hyperparameters": hyperparameters,
        "example": _example(component, loaded, hyperparameters),
        "entry_point": component.entry_point,
        "source_file": _source_file(component, loaded),
        "package": component.distribution,
        "version": component.version,
        "state": registry.state(component),
    }


def source_code(component: Component, loaded: Any) -> str:
    """Return the source code of a component.

    Raises:
        ChainruleError: if it has none, as for compiled code.
    """
    try:
        return inspect.getsource(loaded)
    except (OSError, TypeError) as error:
        raise ChainruleError(f"show: no source for {component.entry_point} ({error}). Leave out --source.") from error


def _source_file(component: Component, loaded: Any) -> str | None:
    try:
        return inspect.getsourcefile(loaded)
    except TypeError:  # an instance or compiled code; its entry point still names a module
        file = source_file(component)
        return None if file is None else str(file)


def _hyperparameters(loaded: Any) -> list[dict[str, Any]]:
    try:
        parameters = signature_of(loaded).parameters.values()
    except (TypeError, ValueError):  # compiled code has no signature
        return []
    fields = {field.name: field for field in dataclasses.fields(loaded)} if dataclasses.is_dataclass(loaded) else {}
    described = []
    for parameter in parameters:
        required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        default = None if parameter.default is parameter.empty else parameter.default
        record = {
            "name": parameter.name,
            "declaration": _declaration(parameter),
            "type": _type(parameter.annotation),
            "required": required,
            "default": plain(default),
        }
        metadata = fields[parameter.name].metadata if parameter.name in fields else {}
        record |= {key: plain(metadata[key]) for key in DECLARED if metadata.get(key) is not None}
        described.append(record)
    return described


def _declaration(parameter: inspect.Parameter) -> str:
    """Return the parameter as written in source: ``lr: float = 0.001``."""
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else "*" * (parameter.kind is parameter.VAR_POSITIONAL)
    annotation = _type(parameter.annotation)
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return stars + parameter.name + (f": {annotation}" if annotation else "") + default


def _type(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def plain(value: Any) -> Any:
    """Return a value in JSON's types: itself, or its text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else repr(value)


def _example(component: Component, loaded: Any, hyperparameters: list[dict[str, Any]]) -> str:
    is_declared = registry.state(component) == "declared"
    inner = _inner_rule(loaded) if is_declared else None
    given = {} if inner is None else {"inner": f"{inner}()"}
    names = [hyperparameter["name"] for hyperparameter in hyperparameters if hyperparameter["required"]]
    arguments = [f"{name}={given.get(name, '...')}" for name in names]
    arguments += [f"lr={lr['default']}" for lr in hyperparameters if lr["name"] == "lr" and not lr["required"]]
    if not arguments and not _can_be_made(loaded):
        arguments = ["..."]
    if is_declared:
        imported = ", ".join(sorted({component.name, inner or component.name}))
        return f"from chainrule.{component.kind} import {imported}\n{component.name}({', '.join(arguments)})"
    call = ", ".join([f'"{component.kind}"', f'"{component.full_name}"', *arguments])
    return f"import chainrule\nchainrule.create({call})"


def _can_be_made(loaded: Any) -> bool:
    """Return whether it can be called without arguments, which a component may need though each has a default."""
    try:
        loaded()
    except Exception:  # noqa: BLE001 - a component may raise anything
        return False
    return True


def _inner_rule(loaded: Any) -> str | None:
    """Return the name of the rule that a wrapper's first example is around, if it can be imported by it."""
    if not (isinstance(loaded, type) and issubclass(loaded, Wrapper)):
        return None
    try:
        inner = loaded.examples()[0].inner
        component = registry.resolve(f"optimizers:{label(inner)}")
        fits = registry.state(component) == "declared" and registry.load(component) is type(inner)
    except Exception:  # noqa: BLE001 - examples may fail in any way, which the conformance kit reports
        return None
    return component.name if fits else None
