"""The numbers of a rule that differ between the members of an ensemble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from torch import Tensor

from chainrule.base.settings import Settings
from chainrule_lab.setting_texts import told_apart


def member_settings(optimizer: object) -> dict[str, list[float]]:
    """Return every number that is given per member, by its dotted name inside the rule, such as "inner.lr"."""
    return {name: tensor.tolist() for name, tensor in _tensors("", optimizer)}


def in_words(settings: dict[str, list[float]], members: int) -> list[str]:
    """Return what each member is set to, as figures and messages show it; empty where there is nothing of its own."""
    texts = [[f"{name} {text}" for text in told_apart(values)] for name, values in settings.items()]
    return [", ".join(text[member] for text in texts) for member in range(members)]


def _tensors(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor) and value.dim() == 1:
        yield name, value
    inside: dict[str, Any] = {}
    if isinstance(value, Settings):
        inside = {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]  # every subclass is a dataclass
    elif isinstance(value, tuple):
        inside = {str(index): one for index, one in enumerate(value)}
    elif isinstance(getattr(value, "groups", None), dict):
        inside = value.groups
    for key, one in inside.items():
        yield from _tensors(f"{name}.{key}" if name else key, one)
