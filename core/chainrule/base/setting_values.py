"""What value a setting may have: its declared type and bounds, and one value for each member."""

from __future__ import annotations

import dataclasses
import operator
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any, Final, Literal, NewType, Union

import numpy as np
import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.protocols import ModuleLike
from chainrule.errors import HyperparameterError, label

_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "at_least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "at_most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}

_UNIONS = (Union, types.UnionType)

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def checked(owner: object, field: dataclasses.Field[Any], declared: Any, value: Any, *, per_member: bool) -> Any:
    """Return the value as a setting keeps it: scalars of numpy and 0-dim tensors as the Python numbers that they are.

    Raises:
        HyperparameterError: if it is not of the declared type or outside the field's bounds; or if it is a tensor,
            unless per_member allows one value for each member.
    """
    given, value = value, as_kept(value, declared)
    for tensor in _tensors(value):
        if not per_member or not takes_numbers(declared):
            raise HyperparameterError(
                f"{label(owner)}: {field.name} must be one value for all members, got {shown(given)}. "
                f"Pass {in_words(declared)}."
            )
        if tensor.dim() != 1 or not tensor.is_floating_point() or not len(tensor) or tensor.is_meta or tensor.is_sparse:
            raise HyperparameterError(
                f"{label(owner)}: {field.name} must be a number or one for each member, (M,), "
                f"got {tensor.dtype} of shape {tuple(tensor.shape)}. Pass a list of numbers or such a tensor."
            )
        for number in tensor.tolist():
            if not _is_number(number):
                raise HyperparameterError(
                    f"{label(owner)}: {field.name} must be a number for each member, got {number}. "
                    f"The default is {field.default!r}."
                )
    given = value if isinstance(value, int | float | str) else given
    if not fits(value, declared):
        default = "" if field.default is dataclasses.MISSING else f" The default is {field.default!r}."
        if field.default is None and value is None:
            written = declared if typing.get_origin(declared) else getattr(declared, "__name__", declared)
            default = f" Declare {field.name} as {written} | None."
        raise HyperparameterError(
            f"{label(owner)}: {field.name} must be {in_words(declared)}, got {shown(given)}."
            f"{(_meant(declared, given) if per_member else '') or default or ' Pass one.'}"
        )
    for number in _numbers(value):
        if not isinstance(number, str):  # a word in place of a number
            _check_bounds(owner, field, number)
    return _copied(value)


def equal(one: Any, other: Any) -> bool:
    """Return whether two values are of one type and equal, tensors and arrays in all of their elements."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    try:
        return bool(one == other)
    except (RuntimeError, TypeError, ValueError):  # of an object with tensors or arrays in it
        return hasattr(one, "__dict__") and equal(vars(one), vars(other))


def unwrapped(declared: Any) -> Any:
    """Return a type without Final, and those that NewType and type statements name, also inside unions and tuples."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is Final:
        return unwrapped(arguments[0])
    if isinstance(declared, NewType):
        return unwrapped(declared.__supertype__)
    if hasattr(declared, "__value__"):  # of a type statement, from Python 3.12 on
        return unwrapped(declared.__value__)
    if origin is tuple:
        return tuple[tuple(map(unwrapped, arguments))]  # type: ignore[misc]
    return reduce(operator.or_, map(unwrapped, arguments)) if origin in _UNIONS else declared


@lru_cache(maxsize=256)
def takes_numbers(declared: Any) -> bool:
    """Return whether floats are of the declared type, one of its union, or items of its tuple; not so for a list."""
    origin, arguments = _parts(declared)
    return declared is float or (origin in (tuple, *_UNIONS) and any(map(takes_numbers, arguments)))


@lru_cache(maxsize=256)
def _parts(declared: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return origin and arguments of a type."""
    return typing.get_origin(declared), typing.get_args(declared)


def _item_types(declared: Any, count: int) -> tuple[Any, ...]:
    """Return the types of a declared tuple's items, which are as many as a value has where any number may stand."""
    arguments = typing.get_args(declared)
    return arguments[:1] * count if arguments[1:] == (Ellipsis,) else arguments


def fits(value: object, declared: Any) -> bool:
    """Return whether a value is of the declared type; a tensor is a number for each member."""
    if declared is float:
        return _is_number(value) or isinstance(value, Tensor)
    origin, arguments = _parts(declared)
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if declared in (bool, str, type(None)):
        return isinstance(value, declared)
    if origin is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        items = _item_types(declared, len(value))
        return len(items) == len(value) and all(map(fits, value, items))
    if origin in (list, Sequence) and arguments:
        return isinstance(value, tuple | list) and all(fits(item, arguments[0]) for item in value)
    if origin in _UNIONS:
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
    if origin in (tuple, list, Sequence):
        return f"a {origin.__name__.lower()} of {_items_in_words(arguments, counted=origin is tuple)}"
    if origin in _UNIONS:
        return " or ".join(in_words(argument) for argument in arguments if argument is not Tensor)
    return getattr(declared, "__name__", str(declared))


def _items_in_words(arguments: tuple[Any, ...], *, counted: bool) -> str:
    """Return the types of items as messages name them: "2 numbers", "integers", "items, each a tuple of 2 numbers"."""
    plural = {float: "numbers", int: "integers", str: "texts"}
    kinds = {item for item in arguments if item is not Ellipsis}
    count = f"{len(arguments)} " if counted and Ellipsis not in arguments else ""
    if len(kinds) > 1:
        return f"{count}items: {', '.join(map(in_words, arguments))}"
    words = [plural.get(kind) or f"items, each {in_words(kind)}" for kind in kinds]
    return f"{count}{words[0] if words else 'items'}"


def bounds(declared: Mapping[str, Any]) -> str:
    """Return a declaration's bounds in words, such as "at least 0, below 1"."""
    return ", ".join(
        f"{words} {declared[name]}" for name, (_, words) in _BOUNDS.items() if declared.get(name) is not None
    )


def as_kept(value: Any, declared: Any) -> Any:
    """Return scalars of numpy and torch as Python's, a sequence as a declared tuple, or as a tensor (M,) of numbers."""
    if type(value) is float:
        return value
    if (
        isinstance(value, np.generic | np.ndarray | Tensor)
        and not value.ndim
        and getattr(value, "is_meta", False) is False
    ):
        return value.item()
    if not isinstance(value, tuple | list | np.ndarray | Tensor):
        return value
    origin, arguments = _parts(declared)
    for one in arguments if origin in _UNIONS else [declared]:
        kind, items = _parts(one)
        if kind is tuple:
            items = _item_types(one, len(value))
            return tuple(map(as_kept, value, items)) if len(items) == len(value) else tuple(value)
        if kind in (list, Sequence) and items and not isinstance(value, Tensor):
            kept = [as_kept(item, items[0]) for item in value]
            return tuple(kept) if isinstance(value, tuple) else kept
    return _per_member(value) if takes_numbers(declared) else value


def _per_member(values: Any) -> Any:
    """Return a sequence of numbers as a tensor of floating numbers; anything else as it is."""
    numbers = values.tolist() if isinstance(values, np.ndarray) else values
    if isinstance(numbers, tuple | list):
        numbers = [as_kept(number, float) for number in numbers]
        if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            return values
        numbers = torch.tensor(numbers, dtype=torch.float64, device="cpu")
    return numbers.double() if numbers.dtype in INTEGERS else numbers


def _meant(declared: Any, given: object) -> str:
    """Return a sentence on what somebody seems to mean who gives this value; or nothing."""
    if takes_numbers(declared) and callable(given) and not isinstance(given, ModuleLike):
        return " A factor that changes by the step is passed as schedule."
    return ""


def _copied(value: Any) -> Any:
    """Return the value with copies of its tensors, lists and dicts: settings do not change with what was given."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) is dict:
        return {key: _copied(item) for key, item in value.items()}
    return type(value)(map(_copied, value)) if type(value) in (tuple, list) else value


def _tensors(value: Any) -> Iterator[Tensor]:
    return (item for item in _items(value) if isinstance(item, Tensor))


def _numbers(value: Any) -> Iterator[Any]:
    for item in _items(value):
        if isinstance(item, Tensor):
            yield from item.tolist()
        elif item is not None:
            yield item


def _items(value: Any) -> Iterator[Any]:
    """Yield what stands in a tuple or list, and in those inside it; any other value itself."""
    if not isinstance(value, tuple | list):
        yield value
        return
    for item in value:
        yield from _items(item)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _check_bounds(owner: object, field: dataclasses.Field[Any], number: Any) -> None:
    for name, (holds, words) in _BOUNDS.items():
        bound = field.metadata.get(name)
        if bound is not None and not (_is_number(number) and holds(number, bound)):
            raise HyperparameterError(
                f"{label(owner)}: {field.name} must be {words} {bound}, got {number!r}. "
                f"Allowed: {bounds(field.metadata)}."
            )
