"""The numbers of settings that are given per member, found and replaced by name, in settings inside settings too."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from chainrule.base.settings import Settings

Values = dict[str, Tensor]
"""Tensors (M,) by name: ``lr``, ``betas.1``, ``inner.eps``."""

AnySettings = TypeVar("AnySettings", bound=Settings)


def member_values(settings: Settings) -> Values:
    """Return every number that is given per member."""
    found: Values = {}
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # every subclass is a dataclass
        value = getattr(settings, field.name)
        if isinstance(value, Tensor):
            found[field.name] = value
        elif isinstance(value, Settings):
            found |= {f"{field.name}.{name}": tensor for name, tensor in member_values(value).items()}
        elif isinstance(value, tuple):
            found |= {f"{field.name}.{i}": item for i, item in enumerate(value) if isinstance(item, Tensor)}
    return found


def with_values(settings: AnySettings, values: Mapping[str, Any]) -> AnySettings:
    """Return the settings with these numbers replaced, without checking them again."""
    if not values:
        return settings
    other = copy.copy(settings)
    inside: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        field, _, rest = name.partition(".")
        if rest:
            inside.setdefault(field, {})[rest] = value
        else:
            object.__setattr__(other, field, value)  # frozen, and already checked
    for field, own in inside.items():
        before = getattr(settings, field)
        if isinstance(before, Settings):
            after: Any = with_values(before, own)
        else:
            after = tuple(own.get(str(i), item) for i, item in enumerate(before))
        object.__setattr__(other, field, after)
    return other


def of_each_member(settings: AnySettings, members: int) -> list[AnySettings]:
    """Return the settings of every member, with Python numbers."""
    lists = {name: values.tolist() for name, values in member_values(settings).items()}
    return [with_values(settings, {name: numbers[i] for name, numbers in lists.items()}) for i in range(members)]


def converted(settings: AnySettings, convert: Callable[[Tensor], Tensor]) -> AnySettings:
    """Return the settings with every number that is given per member converted."""
    return with_values(settings, {name: convert(value) for name, value in member_values(settings).items()})
