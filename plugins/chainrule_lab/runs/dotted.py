"""Values at dotted keys of a description."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from chainrule.arguments import shown
from chainrule_lab.runs.parts import NAME, completed, read_part
from chainrule_lab.runs.place import Place
from chainrule_lab.runs.tables import task_parts
from chainrule_lab.runs.toml_file import keys_of


def changed(place: Place, given: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a description with these values, a task first; those inside what it brings change only that.

    Raises:
        ChainruleError: if a key leads nowhere.
    """
    found = copy.deepcopy(dict(given))
    by_keys = [(keys_of(place.file, dotted), value) for dotted, value in values.items()]
    for keys, value in sorted(by_keys, key=lambda pair: pair[0][0] != "task"):
        if len(keys) > 1 and keys[0] in ("network", "loss", "metrics") and keys[0] not in found and "task" in found:
            task = read_part(place.at("task"), found["task"], ("tasks",)).make()
            if part := task_parts(place, task).get(keys[0]):
                found[keys[0]] = completed(part)
        _put(place, found, keys, value)
    return found


def _put(place: Place, mapping: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    """Put a value at some keys, through tables, lists by their index, and components that have only a name."""
    held: Any = mapping
    for depth, key in enumerate(keys):
        index = _index(place, held, key)
        place = place.at(key)
        if depth == len(keys) - 1:
            held[index] = value
            return
        inner = held.get(index, {}) if isinstance(held, dict) else held[index]
        if isinstance(inner, str):
            inner = {NAME: inner}
        if not isinstance(inner, dict | list):
            raise place.error(f'must be a table or a list to have "{keys[depth + 1]}", got {shown(inner)}. Write one.')
        held[index] = inner
        held = inner


def _index(place: Place, held: Any, key: str) -> Any:
    if isinstance(held, dict):
        if key.isdecimal() and not held:
            raise place.error(f"is not in the description, so it has no item {key}. Write {place.dotted} = [ … ].")
        return key
    if not key.isdecimal() or int(key) >= len(held):
        raise place.error(f"must have an index from 0 to {len(held) - 1}, got {shown(key)}. Choose one of these.")
    return int(key)
