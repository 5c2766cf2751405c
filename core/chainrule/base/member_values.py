"""The numbers of settings that are given per member, found and replaced by name, in settings inside settings too."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from chainrule.base.settings import Settings

Values = dict[str, Tensor]
"""Tensors (M,) by name: ``lr``, ``betas.1``, ``inner.eps``, ``ranges.0.1``."""

AnySettings = TypeVar("AnySettings", bound=Settings)


def member_values(settings: Settings) -> Values:
    """Return every number that is given per member."""
    found: Values = {}
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # every subclass is a dataclass
        _collect(field.name, getattr(settings, field.name), found)
    return found


def _collect(name: str, value: object, found: Values) -> None:
    if isinstance(value, Tensor):
        found[name] = value
    elif isinstance(value, Settings):
        found |= {f"{name}.{inner}": tensor for inner, tensor in member_values(value).items()}
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            _collect(f"{name}.{i}", item, found)


def with_values(settings: AnySettings, values: Mapping[str, Any]) -> AnySettings:
    """Return the settings with these numbers replaced, without checking them again."""
    if not values:
        return settings
    other = copy.copy(settings)
    for field, own in _by_part(values).items():
        object.__setattr__(other, field, _replaced(getattr(settings, field), own))  # frozen, and already checked
    return other


def _by_part(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values by the first part of their names, then by the rest, which is empty for the part itself."""
    parts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = value
    return parts


def _replaced(value: Any, own: Mapping[str, Any]) -> Any:
    if "" in own:
        return own[""]
    if isinstance(value, Settings):
        return with_values(value, own)
    parts = _by_part(own)
    return tuple(_replaced(item, parts[str(i)]) if str(i) in parts else item for i, item in enumerate(value))


def of_each_member(settings: AnySettings, members: int) -> list[AnySettings]:
    """Return the settings of every member, with Python numbers."""
    lists = {name: values.tolist() for name, values in member_values(settings).items()}
    return [with_values(settings, {name: numbers[i] for name, numbers in lists.items()}) for i in range(members)]


def converted(settings: AnySettings, convert: Callable[[Tensor], Tensor]) -> AnySettings:
    """Return the settings with every number that is given per member converted."""
    return with_values(settings, {name: convert(value) for name, value in member_values(settings).items()})
