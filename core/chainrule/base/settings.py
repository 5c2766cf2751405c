"""`hyperparameter`: declare where it stands what a setting may be; and the checks that read the declaration."""

from __future__ import annotations

import dataclasses
import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from chainrule.errors import HyperparameterError, label

_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "at_least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "at_most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}


def hyperparameter(
    default: Any,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    search: tuple[float, float] | None = None,
    per_member: bool = False,
) -> Any:
    """Declare a setting of an optimizer.

    Args:
        default: its value where none is given; its type is the type that is asked for. Type checkers see it only when
            it is passed by name.
        at_least: smallest value allowed; of a tuple, for each of its numbers, as with the other bounds.
        above: bound that the value must exceed.
        at_most: largest value allowed.
        below: bound that the value must stay under.
        search: range within which a search looks for a good value.
        per_member: whether a tensor (M,) may be given, one value for each member of an ensemble.
    """
    declared = {
        "at_least": at_least,
        "above": above,
        "at_most": at_most,
        "below": below,
        "search": search,
        "per_member": per_member,
    }
    return dataclasses.field(default=default, metadata=declared)


def check_hyperparameters(owner: Any) -> None:
    """Raise HyperparameterError if a field of the dataclass instance is not what its declaration allows."""
    for field in dataclasses.fields(owner):
        value = getattr(owner, field.name)
        if value is None and field.default is None:
            continue
        if isinstance(value, Tensor):
            value = _member_values(owner, field, value)
        else:
            _check_type(owner, field, value)
        for number in value if isinstance(value, tuple | list) else (value,):
            _check_bounds(owner, field, number)


def _member_values(owner: Any, field: dataclasses.Field[Any], value: Tensor) -> list[float]:
    if not field.metadata.get("per_member"):
        raise HyperparameterError(
            f"{label(owner)}: {field.name} must be one value for all members, got a tensor of shape "
            f"{tuple(value.shape)}. Pass a {type(field.default).__name__}."
        )
    if value.dim() != 1 or not value.is_floating_point():
        raise HyperparameterError(
            f"{label(owner)}: {field.name} must be a number or a floating tensor of shape (M,), "
            f"got {value.dtype} of shape {tuple(value.shape)}. Pass one value per member."
        )
    numbers: list[float] = value.tolist()
    for number in numbers:
        if not _is_number(number):
            raise HyperparameterError(
                f"{label(owner)}: {field.name} must be a number for each member, got {number}. "
                f"The default is {field.default!r}."
            )
    return numbers


def _check_type(owner: Any, field: dataclasses.Field[Any], value: object) -> None:
    default = field.default
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool), "True or False"
    elif isinstance(default, int | float):
        fits, wanted = _is_number(value), "a number"
    elif isinstance(default, tuple):
        fits = isinstance(value, tuple) and len(value) == len(default) and all(map(_is_number, value))
        wanted = f"a tuple of {len(default)} numbers"
    else:
        return
    if not fits:
        raise HyperparameterError(
            f"{label(owner)}: {field.name} must be {wanted}, got {value!r}. The default is {default!r}."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _check_bounds(owner: Any, field: dataclasses.Field[Any], number: Any) -> None:
    rules = bounds(field.metadata)
    for name, (holds, words) in _BOUNDS.items():
        bound = field.metadata.get(name)
        if bound is not None and not (_is_number(number) and holds(number, bound)):
            raise HyperparameterError(
                f"{label(owner)}: {field.name} must be {words} {bound}, got {number!r}. Allowed: {rules}."
            )


def bounds(declared: Mapping[str, Any]) -> str:
    """Return a declaration's bounds in words, such as "at least 0, below 1"."""
    return ", ".join(
        f"{words} {declared[name]}" for name, (_, words) in _BOUNDS.items() if declared.get(name) is not None
    )
