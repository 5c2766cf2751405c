"""What value a setting may have: its declared type and bounds, and one value for each member."""

from __future__ import annotations

import dataclasses
import operator
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Union

import numpy as np
from torch import Tensor

from chainrule.errors import HyperparameterError, label

_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "at_least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "at_most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}


def checked(owner: object, field: dataclasses.Field[Any], declared: Any, value: Any, *, per_member: bool) -> Any:
    """Return the value as a setting keeps it: scalars of numpy and 0-dim tensors as the Python numbers that they are.

    Raises:
        HyperparameterError: if it is not of the declared type or outside the field's bounds; or if it is a tensor,
            unless per_member allows one value for each member.
    """
    value = _in_python(value)
    for tensor in _tensors(value):
        if not per_member or not takes_numbers(declared):
            raise HyperparameterError(
                f"{label(owner)}: {field.name} must be one value for all members, got a tensor of shape "
                f"{tuple(tensor.shape)}. Pass {in_words(declared)}."
            )
        if tensor.dim() != 1 or not tensor.is_floating_point() or not len(tensor):
            raise HyperparameterError(
                f"{label(owner)}: {field.name} must be a number or a floating tensor of shape (M,), "
                f"got {tensor.dtype} of shape {tuple(tensor.shape)}. Pass one value per member."
            )
        for number in tensor.tolist():
            if not _is_number(number):
                raise HyperparameterError(
                    f"{label(owner)}: {field.name} must be a number for each member, got {number}. "
                    f"The default is {field.default!r}."
                )
    if not fits(value, declared):
        default = "" if field.default is dataclasses.MISSING else f" The default is {field.default!r}."
        raise HyperparameterError(
            f"{label(owner)}: {field.name} must be {in_words(declared)}, got {value!r}.{default or ' Pass one.'}"
        )
    for number in _numbers(value):
        _check_bounds(owner, field, number)
    return _copied(value)


def takes_numbers(declared: Any) -> bool:
    """Return whether floats are of the declared type, or of a part of it."""
    return declared is float or any(map(takes_numbers, typing.get_args(declared)))


def fits(value: object, declared: Any) -> bool:
    """Return whether a value is of the declared type; a tensor is a number for each member."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if declared is float:
        return _is_number(value) or isinstance(value, Tensor)
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if declared in (bool, str, type(None)):
        return isinstance(value, declared)
    if origin is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in arguments)
    if origin is tuple:
        if arguments[1:] == (Ellipsis,):
            return isinstance(value, tuple) and all(fits(item, arguments[0]) for item in value)
        return isinstance(value, tuple) and len(value) == len(arguments) and all(map(fits, value, arguments))
    if origin in (Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments if argument is not Tensor)
    return True


def in_words(declared: Any) -> str:
    """Return a type as messages name it: "a number", "a tuple of 2 numbers"."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    words = {float: "a number", int: "an integer", bool: "True or False", str: "text", type(None): "None"}
    if declared in words:
        return words[declared]
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is tuple:
        count = "" if arguments[1:] == (Ellipsis,) else f"{len(arguments)} "
        return f"a tuple of {count}{'integers' if arguments[0] is int else 'numbers'}"
    if origin in (Union, types.UnionType):
        return " or ".join(in_words(argument) for argument in arguments if argument is not Tensor)
    return getattr(declared, "__name__", str(declared))


def bounds(declared: Mapping[str, Any]) -> str:
    """Return a declaration's bounds in words, such as "at least 0, below 1"."""
    return ", ".join(
        f"{words} {declared[name]}" for name, (_, words) in _BOUNDS.items() if declared.get(name) is not None
    )


def _in_python(value: Any) -> Any:
    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.dim() == 0):
        return value.item()
    return tuple(map(_in_python, value)) if type(value) is tuple else value


def _copied(value: Any) -> Any:
    """Return the value with copies of its tensors, since settings do not change with what they were given."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    return tuple(map(_copied, value)) if type(value) is tuple else value


def _tensors(value: Any) -> Iterator[Tensor]:
    yield from (item for item in (value if isinstance(value, tuple) else [value]) if isinstance(item, Tensor))


def _numbers(value: Any) -> Iterator[Any]:
    for item in value if isinstance(value, tuple | list) else [value]:
        if isinstance(item, Tensor):
            yield from item.tolist()
        elif item is not None:
            yield item


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _check_bounds(owner: object, field: dataclasses.Field[Any], number: Any) -> None:
    rules = bounds(field.metadata)
    for name, (holds, words) in _BOUNDS.items():
        bound = field.metadata.get(name)
        if bound is not None and not (_is_number(number) and holds(number, bound)):
            raise HyperparameterError(
                f"{label(owner)}: {field.name} must be {words} {bound}, got {number!r}. Allowed: {rules}."
            )
