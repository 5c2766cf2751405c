"""Types, defaults and checks of a rule's settings as Python."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

from torch import Tensor

from chainrule.base.setting_values import bounds
from chainrule_torch.export.text import call, indented


def type_text(declared: Any) -> str | None:
    """Return a declared type as Python, without the tensors of ensembles, or None for one that a group cannot hold."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if declared in (float, int, bool, str):
        return str(declared.__name__)
    if declared is type(None):
        return "None"
    if origin is Literal:
        return f"Literal[{', '.join(map(literal, arguments))}]"
    if origin not in (tuple, Union, types.UnionType):
        return None
    inside = ["..." if one is Ellipsis else type_text(one) for one in arguments if one is not Tensor]
    texts = [text for text in inside if text is not None]
    if len(texts) < len(inside):
        return None
    return f"tuple[{', '.join(texts)}]" if origin is tuple else " | ".join(texts)


def literal(value: Any) -> str:
    """Return a value as Python, as ruff formats it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    return repr(value)


def check(owner: str, field: dataclasses.Field[Any], declared: Any) -> str | None:
    """Return the statement that checks a field, or None if it may have any value of its type.

    Args:
        owner: what begins the message.
        field: the field, with its bounds.
        declared: its type.
    """
    condition = _wrong(declared, field.metadata, f"self.{field.name}")
    if condition is None:
        return None
    rule = bounds(field.metadata).replace(", ", " and ")
    if choices := _choices(declared):
        rule = " or ".join(map(repr, choices))
    elif count := _length(declared):
        rule = f"{count} numbers of {rule}"
    elif declared is int:
        rule = f"an integer of {rule}" if rule else "an integer"
    message = f'f"{owner}: {field.name} must be {rule}, got {{self.{field.name}!r}}."'
    return f"if {condition}:\n" + indented(call("raise ValueError", [message], indent=12, trailing=False), 4)


def _wrong(declared: Any, metadata: Mapping[str, Any], value: str) -> str | None:
    """Return the condition under which a value is wrong, or None."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if choices := _choices(declared):
        return f"{value} not in {literal(choices)}"
    if origin in (Union, types.UnionType):
        numbers = [one for one in arguments if one not in (Tensor, type(None), str) and not _choices(one)]
        wrong = _wrong(numbers[0], metadata, value) if len(numbers) == 1 else None
        if wrong is None:
            return None
        if any(_choices(one) or one is str for one in arguments):
            return f"not isinstance({value}, str) and ({wrong})"
        wrong = f"({wrong})" if " or " in wrong else wrong
        return f"{value} is not None and {wrong}" if type(None) in arguments else wrong
    if origin is tuple:
        inside = _inside(metadata, "each")
        wrong = inside and f"not all({inside} for each in {value})"
        return wrong and (f"len({value}) != {_length(declared)} or {wrong}" if _length(declared) else wrong)
    inside = _inside(metadata, value)
    if declared is int:
        return f"not isinstance({value}, int)" + (f" or not {inside}" if inside else "")
    return inside and f"not {inside}"


def _inside(declared: Mapping[str, Any], value: str) -> str | None:
    """Return the condition that a value is within its declared bounds, or None if it has none."""
    bound = {name: value for name, value in declared.items() if value is not None}
    lower = next((name for name in ("at_least", "above") if name in bound), None)
    upper = next((name for name in ("at_most", "below") if name in bound), None)
    ends = f" {'<=' if upper == 'at_most' else '<'} {bound[upper]!r}" if upper else ""
    if lower is None:
        return f"{value}{ends}" if upper else None
    if upper is None:
        return f"{value} {'>=' if lower == 'at_least' else '>'} {bound[lower]!r}"
    return f"{bound[lower]!r} {'<=' if lower == 'at_least' else '<'} {value}{ends}"


def _length(declared: Any) -> int:
    """Return how many numbers a tuple has, 0 for any other type and if that is open."""
    arguments = typing.get_args(declared) if typing.get_origin(declared) is tuple else ()
    return 0 if Ellipsis in arguments else len(arguments)


def _choices(declared: Any) -> tuple[Any, ...]:
    return typing.get_args(declared) if typing.get_origin(declared) is Literal else ()
