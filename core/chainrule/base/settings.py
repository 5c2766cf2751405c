"""`Settings`: the frozen dataclasses that optimizers, initializers, schedules and metrics are, their fields checked."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
import sys
import types
import typing
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any, ClassVar

from chainrule.arguments import number, shown
from chainrule.base.annotations import own_annotations
from chainrule.base.setting_values import checked, equal, unwrapped
from chainrule.calls import Explained, explain_construction, explained, signature_of
from chainrule.errors import FrozenSettingError, HyperparameterError, label


@explained
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
    """Declare a setting of an optimizer, an initializer, a schedule or a metric.

    A field that redeclares a parent's keeps what it leaves unsaid here, as does one that merely gives another default.

    Args:
        default: its value where none is given; without it the setting is required. Type checkers see it only when it
            is passed by name.
        at_least: smallest value allowed; of a tuple, for each of its numbers, as with the other bounds.
        above: bound that the value must exceed.
        at_most: largest value allowed.
        below: bound that the value must stay under.
        search: range within which a search looks for a good value.
        per_member: False where a number of an optimizer or a schedule must be the same for all members of an ensemble;
            else a tensor (M,) may be given for it, one value for each member.
    """
    for name, bound in {"at_least": at_least, "above": above, "at_most": at_most, "below": below}.items():
        if bound is not None and bound not in (-math.inf, math.inf):  # which lift a parent's bound
            number("hyperparameter", name, bound)
    if search is not None:
        if not isinstance(search, tuple) or len(search) != 2:
            raise HyperparameterError(
                f"hyperparameter: search must be a tuple of two numbers, got {shown(search)}. Pass (1e-5, 1e-1)."
            )
        for end in search:
            number("hyperparameter", "each end of search", end)
    declared = {
        "at_least": at_least,
        "above": above,
        "at_most": at_most,
        "below": below,
        "search": search,
        "per_member": per_member,
    }
    return dataclasses.field(default=default, metadata=declared)


class Settings(Explained):
    """Settings that are declared as annotated fields, checked when an instance is made, and frozen from then on.

    Every subclass becomes a dataclass. Two instances are equal if they are of one class with equal settings.

    Raises:
        HyperparameterError: if a setting is not of its declared type, or outside its bounds; for a class, if a field
            is redeclared without its type or named as a method, or the class has a constructor or an equality of its
            own.
    """

    _keyword_only: ClassVar[bool] = False

    _per_member: ClassVar[bool] = False  # whether numbers may be given per member

    _changes: ClassVar[str] = ""  # where that stands which is to change, as a sentence

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__dataclass_fields__" in vars(cls):
            _declare_again(cls)
        if "__init__" in vars(cls):
            raise HyperparameterError(
                f"{label(cls)}: settings must be declared as fields, got an __init__. "
                "Write them as name: float = hyperparameter(default=1.0), and further checks in __post_init__."
            )
        for name, by_settings in {"__eq__": Settings.__eq__, "__hash__": Settings.__hash__}.items():
            if vars(cls).get(name, by_settings) is not by_settings:
                raise HyperparameterError(
                    f"{label(cls)}: instances must be equal by their settings, got an {name}. Leave it out."
                )
            setattr(cls, name, by_settings)  # those of a mixin may be others
        inherited = {
            field.name: field
            for parent in reversed(cls.__mro__[1:])
            if dataclasses.is_dataclass(parent)
            for field in dataclasses.fields(parent)
        }
        annotated = own_annotations(cls)
        for name in sorted((vars(cls).keys() | annotated.keys()) - inherited.keys()):
            if not name.startswith("__") and inspect.isroutine(getattr(super(cls, cls), name, None)):
                _expect_method(cls, name, is_field="ClassVar" not in str(annotated.get(name, "ClassVar")))
        for name, value in sorted(vars(cls).items()):
            is_field = isinstance(value, dataclasses.Field)
            if name not in annotated and (is_field or name in inherited):
                given = "hyperparameter(…)" if is_field else repr(value)
                kind = _written(inherited[name].type) if name in inherited else "float"
                raise HyperparameterError(
                    f"{label(cls)}: {name} must be declared with its type, got {name} = {given}, which Python "
                    f"would ignore. Write {name}: {kind} = {given}."
                )
            if name not in inherited or "ClassVar" in str(annotated[name]):
                continue
            field = value if is_field else hyperparameter(default=value)
            declared = {key: said for key, said in field.metadata.items() if said is not None}
            field.metadata = types.MappingProxyType({**inherited[name].metadata, **declared})
            setattr(cls, name, field)
        for value in vars(cls).values():
            if isinstance(value, dataclasses.Field):
                _make_default(value)
        try:
            with _module_of(cls):
                dataclasses.dataclass(frozen=True, kw_only=cls._keyword_only, eq=False)(cls)
        except (TypeError, ValueError) as error:  # such as a mutable default
            fix = "pass a tuple, or dataclasses.field(default_factory=…)"
            raise HyperparameterError(f"{label(cls)}: {str(error).replace('use default_factory', fix)}.") from error
        kept = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # it is a dataclass now
        if others := [name for name in signature_of(cls).parameters if name not in kept]:
            raise HyperparameterError(
                f"{label(cls)}: {others[0]} must be a setting that is kept, got an InitVar. Leave InitVar out."
            )
        explain_construction(cls)
        cls.__setattr__ = cls.__delattr__ = _refuse_change  # type: ignore[assignment, method-assign]

    def __post_init__(self) -> None:
        types_of = declared_types(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            per_member = self._per_member and field.metadata.get("per_member") is not False
            given = getattr(self, field.name)
            value = checked(self, field, types_of[field.name], given, per_member=per_member)
            if value is not given:
                object.__setattr__(self, field.name, value)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, without those that a copy with other settings is to compute anew."""
        return kept_attributes(self)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            equal(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        )

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))


def _declare_again(cls: type) -> None:
    """Take back what made a class a dataclass, where another is made from its attributes, as by dill."""
    for name in vars(cls).keys() & {"__init__", "__setattr__", "__delattr__"}:
        delattr(cls, name)
    fields = vars(cls)["__dataclass_fields__"]
    for name, annotation in own_annotations(cls).items():
        if "ClassVar" not in str(annotation):
            setattr(cls, name, copy.copy(fields[name]))


def _written(annotation: object) -> str:
    """Return an annotation as it stands in source, of which Python keeps the text or the value."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _make_default(field: dataclasses.Field[Any]) -> None:
    """Let a field have what its factory makes as its default, unless that can change, as a list."""
    if field.default_factory is not dataclasses.MISSING and isinstance(made := field.default_factory(), Hashable):
        field.default, field.default_factory = made, dataclasses.MISSING


def _expect_method(cls: type, name: str, *, is_field: bool) -> None:
    """Raise HyperparameterError if a class has a field or a value where its parent has a method."""
    value = vars(cls).get(name)
    if is_field or not (callable(value) or hasattr(value, "__get__")):
        got = "a field" if is_field else f"{name} = {shown(value)}"
        raise HyperparameterError(
            f"{label(cls)}: {name} must be a method, as of its parent, got {got}. Name it otherwise: {name}_value."
        )


def _refuse_change(settings: Settings, name: str, *value: object) -> None:
    """Raise FrozenSettingError; takes the place of ``__setattr__`` and ``__delattr__``."""
    owner = label(settings)
    is_setting = name in {field.name for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    fix = f" Make another: {owner}({name}=…)." if is_setting else ""
    raise FrozenSettingError(
        f"{owner}: attributes must stay as they are, got {'an assignment to' if value else 'a deletion of'} {name}."
        f"{fix}{f' {settings._changes}' if settings._changes else ''}"
    )


@contextmanager
def _module_of(cls: type) -> Iterator[None]:
    """Let dataclasses find the module of a class in sys.modules, where a loader need not have put it."""
    if cls.__module__ in sys.modules:
        yield
        return
    stand_in = types.ModuleType(cls.__module__)
    vars(stand_in).update(_globals_of(cls))
    sys.modules[cls.__module__] = stand_in
    try:
        yield
    finally:
        del sys.modules[cls.__module__]


def kept_attributes(settings: Settings) -> dict[str, Any]:
    """Return the attributes by name, without what a functools.cached_property keeps there."""
    cls = type(settings)
    return {
        name: value
        for name, value in vars(settings).items()
        if not isinstance(getattr(cls, name, None), cached_property)
    }


def _globals_of(cls: type) -> Mapping[str, Any]:
    """Return the names of a class's module, from one of its methods where that is not in sys.modules."""
    if cls.__module__ in sys.modules:
        return vars(sys.modules[cls.__module__])
    return next((value.__globals__ for value in vars(cls).values() if isinstance(value, types.FunctionType)), {})


@cache
def declared_types(cls: type) -> dict[str, Any]:
    """Return the type of each field; of one whose annotation cannot be evaluated, that of its default."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        owner = next(parent for parent in cls.__mro__ if field.name in own_annotations(parent))
        annotated = type("", (), {"__annotations__": {field.name: field.type}})
        try:
            (hint,) = typing.get_type_hints(annotated, dict(_globals_of(owner))).values()
            found[field.name] = unwrapped(hint)
        except Exception:  # noqa: BLE001 - evaluating an annotation may raise anything
            known = field.default is not dataclasses.MISSING and field.default is not None
            found[field.name] = type(field.default) if known else Any
    return found
