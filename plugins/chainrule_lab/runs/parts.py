"""`Part`: a component with its arguments, as a description has it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from torch import Tensor

import chainrule
from chainrule import ChainruleError, label
from chainrule.arguments import shown
from chainrule.calls import expect_bound, signature_of
from chainrule.cli.component_file import object_in_file
from chainrule.registry import components, get, load, names, resolve
from chainrule.registry.component import SESSION
from chainrule.registry.kinds import did_you_mean, singular
from chainrule_lab.runs.place import Place
from chainrule_lab.runs.type_hints import hints_of, inside, is_table, kinds_in, takes_none, takes_text

NAME = "name"
"""The key under which a table has the name of its component."""

NONE = "none"
"""What stands for None, which TOML lacks."""

MODULES = ("layers", "activations")
"""The kinds of which a network is made."""

GROUPS = "param_groups"
"""The name of what holds several rules, which is none of the components."""


@dataclass(frozen=True)
class Part:
    """A component, by its name and its arguments, which hold parts in turn.

    Args:
        place: where it stands.
        name: its name, or its address ``FILE.py:Class`` with the whole path.
        function: its class, or the function that makes it.
        arguments: what is given, by name.
    """

    place: Place
    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any]

    def make(self) -> Any:
        """Return a new instance.

        Raises:
            ChainruleError: if an argument does not fit; the message begins with its place.
        """
        by_name = {name: made(value) for name, value in self.arguments.items()}
        parameters = signature_of(self.function).parameters
        several = next((one.name for one in parameters.values() if one.kind is one.VAR_POSITIONAL), "")
        args = by_name.pop(several, [])
        try:
            return self.function(*args, **by_name)
        except Exception as error:  # a plugin may raise anything
            raise self.place.error_of(error, label_of(self.function), tuple(parameters)) from error

    def complete(self, folder: Path | None = None) -> dict[str, Any]:
        """Return name and arguments, with the defaults of those that are not given and that TOML can hold.

        Paths are from the folder, or whole.
        """
        parameters, hints = signature_of(self.function).parameters, hints_of(self.function)
        path, colon, inside = self.name.rpartition(":")
        name = f"{path_from(folder, Path(path))}:{inside}" if colon and path.endswith(".py") else self.name
        found: dict[str, Any] = {NAME: name}
        for name, parameter in parameters.items():
            if name in self.arguments:
                found[name] = completed(self.arguments[name], folder)
            elif parameter.kind is parameter.VAR_POSITIONAL:
                found[name] = []
            elif parameter.default is not parameter.empty:
                value = written(parameter.default, hints[name])
                found |= {} if value is None else {name: value}
        return found | {name: completed(value, folder) for name, value in self.arguments.items() if name not in found}


def read_part(place: Place, given: object, kinds: tuple[str, ...], key: str = NAME) -> Part:
    """Return the component that a table or a name stands for.

    Args:
        place: where it stands.
        given: the table, or the name alone.
        kinds: those of which it may be.
        key: that of the name in the table.

    Raises:
        ChainruleError: if there is no component of that name, or it takes no argument of a name that is given.
    """
    if isinstance(given, str):
        given = {key: given}
    what = " or ".join(map(singular, kinds)) or "component"
    if not isinstance(given, Mapping) or not isinstance(given.get(key), str):
        raise place.error(f"must name one {what}, got {shown(given)}. Write {_example(place, kinds)}.")
    name, function = _found(place, given[key], kinds)
    try:
        signature, hints = signature_of(function), hints_of(function)
    except (TypeError, ValueError) as error:
        raise place.error(f"must name a {what} with a signature, got {name}. Name another.") from error
    arguments = {own: read_value(place.at(own), value, hints, own) for own, value in given.items() if own != key}
    several = next((one.name for one in signature.parameters.values() if one.kind is one.VAR_POSITIONAL), "")
    if several in arguments and not isinstance(arguments[several], list):
        raise place.at(several).error(f"must be a list, got {shown(given[several])}. Write {several} = [ … ].")
    missing = [own for own, one in signature.parameters.items() if _is_required(one) and own not in arguments]
    if missing and arguments.keys() <= signature.parameters.keys():
        written = "".join(f", {own} = …" for own in (*arguments, *missing))
        raise place.error(f'needs {", ".join(missing)}, got none. Write {{ {key} = "{given[key]}"{written} }}.')
    try:
        by_name = {own: value for own, value in arguments.items() if own != several}
        expect_bound(label_of(function), signature, arguments.get(several, ()), by_name)
    except ChainruleError as error:
        raise place.error_of(error, label_of(function)) from error
    return Part(place, name, function, arguments)


def read_value(place: Place, given: object, hints: Mapping[str, Any], key: str) -> Any:
    """Return an argument, with the components in it as parts."""
    return _read(place, given, hints.get(key, Any))


def made(value: Any) -> Any:
    """Return a value with new instances in place of its parts."""
    if isinstance(value, Part):
        return value.make()
    if isinstance(value, list):
        return [made(one) for one in value]
    return {key: made(one) for key, one in value.items()} if isinstance(value, dict) else value


def completed(value: Any, folder: Path | None = None) -> Any:
    """Return a value as TOML has it, with complete tables in place of its parts, paths from the folder or whole."""
    if isinstance(value, Part):
        return value.complete(folder)
    if isinstance(value, list):
        return [completed(one, folder) for one in value]
    if value is None:
        return NONE
    return {key: completed(one, folder) for key, one in value.items()} if isinstance(value, dict) else value


def path_from(folder: Path | None, path: Path) -> str:
    """Return a path from a folder, with slashes, so that both can be moved together; the whole path without one."""
    if folder is not None:
        with suppress(ValueError):  # on another drive
            return Path(os.path.relpath(path, folder.resolve())).as_posix()
    return path.as_posix()


def written(value: Any, hint: Any = Any) -> Any:
    """Return the value of an argument as TOML has it, or None if it has no form for it."""
    if value is None and takes_none(hint):
        return NONE
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, tuple | list):
        items = [written(one, inside(hint)) for one in value]
        return None if any(one is None for one in items) else items
    return value if isinstance(value, bool | int | float | str | dict) else None


def distributions_in(value: Any) -> set[str]:
    """Return the names of the distributions that registered the components in a value."""
    if isinstance(value, Part):
        of_name = [one for one in components() if value.name in (one.name, one.full_name)]
        own = {one.distribution for one in of_name if one.distribution != SESSION and load(one) is value.function}
        return own | distributions_in(dict(value.arguments))
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {name for one in held for name in distributions_in(one)}


def label_of(function: Any) -> str:
    """Return the name of a class or function in messages."""
    return label(function) if isinstance(function, type) else str(getattr(function, "__name__", label(function)))


def _read(place: Place, given: object, hint: Any) -> Any:
    kinds = kinds_in(hint)
    if isinstance(given, Mapping):
        if is_table(hint) or (NAME not in given and not kinds):
            return {key: _read(place.at(key), value, inside(hint)) for key, value in given.items()}
        return read_part(place, given, kinds)
    if isinstance(given, list):
        return [_read(place.at(index), value, inside(hint)) for index, value in enumerate(given)]
    if given == NONE and takes_none(hint):
        return None
    if isinstance(given, str) and kinds and not takes_text(hint):
        return read_part(place, given, kinds)
    return given


def _found(place: Place, name: str, kinds: tuple[str, ...]) -> tuple[str, Callable[..., Any]]:
    """Return a name and its class or function; the name of one in a file has the whole path."""
    if name == GROUPS and kinds == ("optimizers",):
        return name, chainrule.param_groups
    try:
        path, colon, inside = name.replace("::", ":").rpartition(":")  # as object_in_file reads it
        if colon and path.endswith(".py"):
            whole = f"{(place.folder / Path(path).expanduser()).resolve()}:{inside}"
            found = object_in_file(whole, owner=str(place), kinds=kinds)
            if found is None or not callable(found.value):
                raise place.error(f"must name a class or a function, got {name}. Name one of that file.")
            return whole, found.value
        if not kinds:
            return name, load(resolve(name))
        registered = (kind for kind in kinds if any(name in (one.name, one.full_name) for one in components(kind)))
        nearest = (kind for kind in kinds if did_you_mean(name, names(kind)))  # whose names the message has
        return name, get(next(chain(registered, nearest, kinds)), name)
    except ChainruleError as error:
        if str(error).startswith(str(place)):
            raise
        raise ChainruleError(f"{place}: {error}") from error


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


def _example(place: Place, kinds: tuple[str, ...]) -> str:
    examples = {"layers": "linear", "optimizers": "adam", "losses": "mse", "schedules": "cosine"}
    name = next((examples[kind] for kind in kinds if kind in examples), "NAME")
    key = place.keys[-1] if place.keys and isinstance(place.keys[-1], str) else None
    return f'{key} = {{ name = "{name}" }}' if key else f'{{ name = "{name}" }}'
