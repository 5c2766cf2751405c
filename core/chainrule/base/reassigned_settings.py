"""Settings of a module or loss that are assigned after its construction, checked by its own constructor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, partial
from types import CodeType
from typing import Any

from torch import Tensor

from chainrule.arguments import advice, is_flag, shown
from chainrule.base.annotations import own_annotations
from chainrule.base.buffer import Buffer
from chainrule.base.declared_attributes import not_to_be_set
from chainrule.base.generators import enclosed
from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.base.random_numbers import Random
from chainrule.base.setting_values import equal
from chainrule.base.settings import Settings
from chainrule.calls import signature_of
from chainrule.errors import ChainruleError, FrozenSettingError, ShapeError, UnknownAttributeError, label

PLAIN = (bool, int, float, str, tuple, list, Tensor, type(None))
"""The kinds of value that are settings; modules, parameters and buffers are a network's parts."""

PARTS = (Parameter, Buffer, Random)
"""The kinds of part with values for each member, which `build` allocates."""

ACCESSORS = ("fget", "fset", "func")
"""Where properties and cached properties have their functions."""


def checked_setting(owner: object, name: str, value: Any) -> Any:
    """Return the value that an attribute of a constructed object is to have.

    A setting of the constructor passes through it once more, with the others as they are. What the constructor makes
    of it must not show in any other attribute, such as a weight's shape, which would stay as it was.

    Raises:
        FrozenSettingError: if other attributes follow from the setting.
        ChainruleError: if the constructor refuses the value, or a module is to make way for none.
    """
    settings, own = _current(owner), vars(owner)[name]
    if not isinstance(own, PLAIN):
        _expect_module_for_module(owner, name, value)
        return value
    if not isinstance(value, PLAIN):
        return value
    try:
        before = vars(type(owner)(**settings))
    except Exception:  # noqa: BLE001 - its settings are not kept as they were given
        return value
    if _differ(before.get(name), own):
        return value
    after = vars(type(owner)(**{**settings, name: value}))
    followers = [
        key for key in before.keys() | after.keys() if key != name and _differ(before.get(key), after.get(key))
    ]
    if followers:
        raise FrozenSettingError(
            f"{label(owner)}: {name} must be given to the constructor, since {min(followers)} follows from it, got an "
            f"assignment. Make another: {label(owner)}({name}=…)."
        )
    return after.get(name, value)


def _expect_module_for_module(owner: object, name: str, value: Any) -> None:
    """Raise ChainruleError unless a module makes way for another, or for None; the constructor may take names too."""
    is_module = isinstance(value, ModuleLike) and not isinstance(value, type)  # its class has the methods too
    if value is None or is_module or not isinstance(vars(owner)[name], ModuleLike):
        return
    fix = f"Write {value}()." if isinstance(value, str) and value.isidentifier() else advice("module", value)
    raise ChainruleError(f"{label(owner)}: {name} must be a module, got {shown(value)}. {fix}")


def expect_part(owner: object, name: str, value: Any) -> None:
    """Raise an error unless a part's attribute is to have another of its kind and shape, or None for no part.

    Raises:
        ShapeError: for a part of another shape, with which the others would not fit.
        FrozenSettingError: for anything else.
    """
    own = vars(owner)[name]
    kind = next(kind for kind in PARTS if isinstance(own, kind))
    if value is None:
        return
    if isinstance(value, kind):
        if not isinstance(own, Random) and own.shape != value.shape:
            raise ShapeError(
                f"{label(owner)}: {name} must have shape {tuple(own.shape)}, got {tuple(value.shape)}. "
                f"Make another {label(owner)} of that size."
            )
        return
    fix = "Leave it as it is." if kind is Random else f"Write {name}.data.copy_(…) once it is built."
    if is_flag(value) and not value and is_argument(type(owner), name):
        fix = f"Make another: {label(owner)}({name}=False)."
    raise FrozenSettingError(f"{label(owner)}: {name} must be a {kind.__name__}, got {shown(value)}. {fix}")


def expect_read(owner: object, name: str) -> None:
    """Raise UnknownAttributeError for a new attribute that no method of the object's class reads."""
    cls: Any = type(owner)
    if name.startswith("_") or hasattr(cls, name) or name in _names_in_methods(cls):
        return
    if near := get_close_matches(name, _arguments(cls), n=1, cutoff=0.8):
        raise UnknownAttributeError(f'{label(owner)}: has no setting "{name}". Did you mean "{near[0]}"?')
    raise UnknownAttributeError(not_to_be_set(owner, name))


@cache
def _names_in_methods(cls: type) -> frozenset[str]:
    """Return every name and text in the code of a class's methods, whichever attributes these are of."""
    found: set[str] = set()
    for parent in cls.__mro__:
        found |= own_annotations(parent).keys()
        members: list[Any] = [value for value in vars(parent).values() if not isinstance(value, type)]
        for member in members:
            functions = (member, getattr(member, "__func__", None), *(getattr(member, one, None) for one in ACCESSORS))
            codes = [inspect.unwrap(one).__code__ for one in functions if inspect.isfunction(one)]
            while codes:
                code = codes.pop()
                found.update(code.co_names)
                codes += [one for one in code.co_consts if isinstance(one, CodeType)]
                found.update(one for one in code.co_consts if isinstance(one, str))
    return frozenset(found)


def _current(owner: object) -> dict[str, Any]:
    """Return the constructor's arguments that an object keeps under their names; of a parameter whether it is there."""
    cls: Any = type(owner)
    found = {}
    for name, default in _arguments(cls).items():
        value = vars(owner).get(name, default)
        if isinstance(default, bool) and not isinstance(value, bool):
            value = value is not None
        if value is not inspect.Parameter.empty:
            found[name] = value
    return found


@cache
def _arguments(cls: Any) -> Mapping[str, Any]:
    """Return the names of a constructor's arguments with their defaults; none if it takes any number of them."""
    parameters = signature_of(cls).parameters.values()
    if any(
        one.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
        for one in parameters
    ):
        return {}
    return {one.name: one.default for one in parameters}


def is_argument(cls: type, name: str) -> bool:
    """Whether a class's constructor has an argument of that name."""
    return name in _arguments(cls)


def _differ(one: Any, other: Any) -> bool:
    """Whether two objects made alike hold different values; callables that keep none are taken for the same."""
    if type(one) is not type(other):
        return True
    if isinstance(one, list | tuple):
        return len(one) != len(other) or any(map(_differ, one, other))
    if isinstance(one, dict):
        return one.keys() != other.keys() or any(_differ(one[key], other[key]) for key in one)
    if isinstance(one, partial):
        return _differ((one.func, one.args, one.keywords), (other.func, other.args, other.keywords))
    if inspect.isfunction(one):
        return one.__code__ != other.__code__ or _differ(_kept_by(one), _kept_by(other))
    has_parts = not callable(one) or isinstance(one, Settings | ModuleLike)
    if hasattr(one, "__dict__") and not isinstance(one, Tensor) and has_parts:
        return _differ(vars(one), vars(other))
    return not callable(one) and not equal(one, other)


def _kept_by(function: Any) -> tuple[Any, ...]:
    """Return a function's defaults, and the settings among the values that it closes over."""
    settings = [value for value in enclosed(function) if isinstance(value, PLAIN)]
    return function.__defaults__, function.__kwdefaults__, settings
