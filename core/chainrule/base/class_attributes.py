"""Checks of a component's class attributes: that each is of its type, and that none is a misspelt one of its parent."""

from __future__ import annotations

import difflib
import inspect
import typing
from functools import cache
from typing import Any, ClassVar

from chainrule.arguments import shown
from chainrule.base.annotations import own_annotations
from chainrule.base.declared_attributes import NEAR
from chainrule.base.setting_values import fits, in_words
from chainrule.calls import POSITIONAL, signature_of
from chainrule.errors import ContractError, label


def check_class_attributes(cls: type, parent: type) -> None:
    """Raise ContractError if the class gives a class variable of its parent another type, or misspells its name.

    So for a value in the place of a method, and for attributes in slots, where nothing finds, copies or watches them.
    """
    if slots := slot_names(cls):
        raise ContractError(
            f"{label(cls)}: attributes must stand in __dict__, where they are found, got __slots__ with "
            f'"{slots[0]}". Leave __slots__ out.'
        )
    for name, value in vars(cls).items():
        if not name.startswith("__") and inspect.isroutine(getattr(parent, name, None)):
            expect_method(cls, name, value)
    annotated, declared = own_annotations(cls), _class_variables(parent)
    for name in sorted(vars(cls).keys() & declared.keys()):
        value = vars(cls)[name]
        if name in annotated and "ClassVar" not in str(annotated[name]):
            raise ContractError(
                f"{label(cls)}: {name} must be a class attribute, got a field. Write {name} = {value!r} without a type."
            )
        if not isinstance(value, property) and not fits(value, declared[name]):
            raise ContractError(f"{label(cls)}: {name} must be {in_words(declared[name])}, got {value!r}. Correct it.")
    public = {name.replace("_", ""): name for name in dir(parent) if not name.startswith("_")}
    inherited = {name for ancestor in cls.__mro__[1:] for name in vars(ancestor)}
    for name in sorted(vars(cls).keys() - annotated.keys() - inherited):
        near = difflib.get_close_matches(name.replace("_", ""), public, n=1, cutoff=NEAR)
        if near and not name.startswith("_"):
            raise ContractError(
                f"{label(cls)}: {name} is not part of the contract. "
                f'Did you mean "{public[near[0]]}"? Begin the names of your own attributes with an underscore.'
            )


def slot_names(cls: type) -> list[str]:
    """Return the names of the attributes that instances of a class hold outside of __dict__."""
    declared = [vars(ancestor).get("__slots__", ()) for ancestor in cls.__mro__]
    names = [name for each in declared for name in ((each,) if isinstance(each, str) else each)]
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def expect_method(owner: object, name: str, value: object) -> None:
    """Raise ContractError if a value that stands where a parent has a method is none."""
    if not (callable(value) or hasattr(value, "__get__")):
        raise ContractError(
            f"{label(owner)}: {name} must be a method, as of its parent, got {name} = {shown(value)}. "
            f"Name it otherwise: {name}_value."
        )


def check_methods(cls: type, parent: type, *names: str) -> None:
    """Raise ContractError if a method that the class overrides cannot be called with its parent's arguments.

    So if it has some of their names in other places, since they are passed by position.
    """
    for name in vars(cls).keys() & set(names):
        own = vars(cls)[name]
        if not inspect.isfunction(own):
            continue
        arguments = list(signature_of(getattr(parent, name)).parameters.values())
        given = [one.name for one in arguments if one.kind is not inspect.Parameter.KEYWORD_ONLY]
        by_name = [one.name for one in arguments if one.kind is inspect.Parameter.KEYWORD_ONLY]
        own_signature = signature_of(own)
        try:
            own_signature.bind(*given, **dict.fromkeys(by_name))
            fits = not _are_exchanged(own_signature, [one.name for one in arguments if one.kind in POSITIONAL])
        except TypeError:
            fits = False
        if not fits:
            wanted = ", ".join([*given, *(["*", *by_name] if by_name else [])])
            raise ContractError(
                f"{label(cls)}: {name} must take ({wanted}), got ({', '.join(own_signature.parameters)}). "
                "Write these arguments."
            )


def _are_exchanged(own: inspect.Signature, given: list[str]) -> bool:
    """Whether a signature has one of these names in the place of another; names of its own are free."""
    positional = [one.name for one in own.parameters.values() if one.kind in POSITIONAL]
    return any(taken != name and taken in given for taken, name in zip(positional, given, strict=False))


@cache
def _class_variables(parent: type) -> dict[str, Any]:
    hints = typing.get_type_hints(parent)
    return {name: typing.get_args(hint)[0] for name, hint in hints.items() if typing.get_origin(hint) is ClassVar}
