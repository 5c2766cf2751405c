"""`Settings`: the frozen dataclasses that optimizers, initializers and schedules are, with fields that are checked."""

from __future__ import annotations

import dataclasses
import inspect
import operator
import sys
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Literal, Union

import torch
from torch import Tensor

from chainrule.errors import HyperparameterError, label

_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "at_least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "at_most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}


def hyperparameter(
    default: Any = dataclasses.MISSING,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    search: tuple[float, float] | None = None,
    per_member: bool | None = None,
) -> Any:
    """Declare a setting of an optimizer, an initializer or a schedule.

    A field that redeclares a parent's keeps what it leaves unsaid here, as does one that merely gives another default.

    Args:
        default: its value where none is given; without it the setting is required. Type checkers see it only when it
            is passed by name.
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


class Settings:
    """Settings that are declared as annotated fields, checked when an instance is made, and frozen from then on.

    Every subclass becomes a dataclass. Two instances are equal if they are of one class with equal settings.

    Raises:
        HyperparameterError: if a setting is not of its declared type, or outside its bounds; for a class, if a field
            is redeclared without its type, or the class has a constructor of its own.
    """

    _keyword_only: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            raise HyperparameterError(
                f"{label(cls)}: settings must be declared as fields, got an __init__. "
                "Write them as name: float = hyperparameter(default=1.0), and further checks in __post_init__."
            )
        inherited = {
            field.name: field
            for parent in reversed(cls.__mro__[1:])
            if dataclasses.is_dataclass(parent)
            for field in dataclasses.fields(parent)
        }
        annotated = _own_annotations(cls)
        for name in sorted(inherited.keys() & vars(cls).keys()):
            value = vars(cls)[name]
            if name not in annotated:
                raise HyperparameterError(
                    f"{label(cls)}: {name} must be declared with its type, got {name} = {value!r}, which Python "
                    f"would ignore. Write {name}: float = {value!r}."
                )
            field = value if isinstance(value, dataclasses.Field) else hyperparameter(default=value)
            declared = {key: said for key, said in field.metadata.items() if said is not None}
            field.metadata = types.MappingProxyType({**inherited[name].metadata, **declared})
            setattr(cls, name, field)
        dataclasses.dataclass(frozen=True, kw_only=cls._keyword_only, eq=False)(cls)

    def __post_init__(self) -> None:
        types_of = _declared_types(type(self))  # type: ignore[arg-type]  # mypy takes __hash__ for the class's own
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            _check(self, field, types_of[field.name], getattr(self, field.name))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            torch.equal(mine, theirs)
            if isinstance(mine, Tensor) and isinstance(theirs, Tensor)
            else type(mine) is type(theirs) and mine == theirs
            for mine, theirs in ((getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self))  # type: ignore[arg-type]
        )

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))


def _own_annotations(cls: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(cls)


@cache
def _declared_types(cls: type) -> dict[str, Any]:
    """Return the type of each field; of one whose annotation cannot be evaluated, that of its default."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        owner = next(parent for parent in cls.__mro__ if field.name in _own_annotations(parent))
        annotated = types.SimpleNamespace(__annotations__={field.name: field.type})
        try:
            found |= typing.get_type_hints(annotated, vars(sys.modules[owner.__module__]))
        except Exception:  # noqa: BLE001 - evaluating an annotation may raise anything
            known = field.default is not dataclasses.MISSING and field.default is not None
            found[field.name] = type(field.default) if known else Any
    return found


def _check(owner: Settings, field: dataclasses.Field[Any], declared: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        numbers = _member_values(owner, field, declared, value)
    elif not _fits(value, declared):
        default = "" if field.default is dataclasses.MISSING else f" The default is {field.default!r}."
        raise HyperparameterError(
            f"{label(owner)}: {field.name} must be {_in_words(declared)}, got {value!r}.{default or ' Pass one.'}"
        )
    else:
        numbers = list(value) if isinstance(value, tuple | list) else [value] if value is not None else []
    for number in numbers:
        _check_bounds(owner, field, number)


def _member_values(owner: Settings, field: dataclasses.Field[Any], declared: Any, value: Tensor) -> list[float]:
    if not field.metadata.get("per_member"):
        raise HyperparameterError(
            f"{label(owner)}: {field.name} must be one value for all members, got a tensor of shape "
            f"{tuple(value.shape)}. Pass {_in_words(declared)}."
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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _fits(value: object, declared: Any) -> bool:
    """Whether a value is of the declared type; types that are not told apart here fit."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if declared is float:
        return _is_number(value)
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if declared in (bool, str, type(None)):
        return isinstance(value, declared)
    if origin is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in arguments)
    if origin is tuple and Ellipsis not in arguments:
        return isinstance(value, tuple) and len(value) == len(arguments) and all(map(_fits, value, arguments))
    if origin in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments if argument is not Tensor)
    return True


def _in_words(declared: Any) -> str:
    """Return a type as messages name it: "a number", "a tuple of 2 numbers"."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    words = {float: "a number", int: "an integer", bool: "True or False", str: "text", type(None): "None"}
    if declared in words:
        return words[declared]
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is tuple:
        return f"a tuple of {len(arguments)} numbers"
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(argument) for argument in arguments if argument is not Tensor)
    return getattr(declared, "__name__", str(declared))


def _check_bounds(owner: Settings, field: dataclasses.Field[Any], number: Any) -> None:
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
