"""What a component's arguments are annotated with: other components, and of which kinds."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Literal, Union

from chainrule import (
    Initializer,
    InitializerLike,
    Loss,
    LossLike,
    Metric,
    Module,
    ModuleLike,
    Optimizer,
    Schedule,
    Task,
)
from chainrule.base.settings import Settings, declared_types
from chainrule.calls import signature_of

KINDS: Mapping[type, tuple[str, ...]] = {
    Module: ("layers", "activations"),
    ModuleLike: ("layers", "activations"),
    Initializer: ("initializers",),
    InitializerLike: ("initializers",),
    Optimizer: ("optimizers",),
    Schedule: ("schedules",),
    Loss: ("losses",),
    LossLike: ("losses",),
    Metric: ("metrics",),
    Task: ("tasks",),
}
"""The kinds of component that an annotation stands for."""


@cache
def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the type of each argument of a class or function; Any where it has none that can be evaluated."""
    if isinstance(function, type) and issubclass(function, Settings):
        return declared_types(function)
    constructor: Any = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    names = getattr(inspect.unwrap(constructor), "__globals__", {})
    found: dict[str, Any] = {}
    for name, parameter in signature_of(function).parameters.items():
        annotated = types.SimpleNamespace(__annotations__={name: parameter.annotation})
        found[name] = Any
        if parameter.annotation is not parameter.empty:
            with suppress(Exception):  # evaluating an annotation may raise anything
                found |= typing.get_type_hints(annotated, dict(names))
        if parameter.kind is parameter.VAR_POSITIONAL:  # given as a list
            found[name] = types.GenericAlias(Sequence, (found[name],))
    return found


def kinds_in(hint: Any) -> tuple[str, ...]:
    """Return the kinds of component that an argument takes itself, none for other values."""
    if isinstance(hint, type):
        return next((kinds for parent, kinds in KINDS.items() if parent in hint.__mro__), ())
    if typing.get_origin(hint) is Callable:
        return ("schedules",)
    if typing.get_origin(hint) in (Union, types.UnionType):
        return tuple(dict.fromkeys(kind for one in typing.get_args(hint) for kind in kinds_in(one)))
    return ()


def inside(hint: Any) -> Any:
    """Return the type of what a list or table holds, or Any."""
    for one in _alternatives(hint):
        origin, arguments = typing.get_origin(one), typing.get_args(one)
        if isinstance(origin, type) and arguments and issubclass(origin, Mapping | Sequence):
            return arguments[-1] if issubclass(origin, Mapping) else arguments[0]
    return Any


def is_table(hint: Any) -> bool:
    """Return whether an argument takes a mapping by names."""
    origins = [typing.get_origin(one) or one for one in _alternatives(hint)]
    return any(isinstance(origin, type) and issubclass(origin, Mapping) for origin in origins)


def takes_text(hint: Any) -> bool:
    """Return whether an argument takes any text."""
    return any(one is str or one is Any for one in _alternatives(hint))


def takes_none(hint: Any) -> bool:
    """Return whether ``"none"`` means None: where that fits, and the text does not."""
    alternatives = _alternatives(hint)
    words = [word for one in alternatives if typing.get_origin(one) is Literal for word in typing.get_args(one)]
    return type(None) in alternatives and not takes_text(hint) and "none" not in words


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
