"""`DeclaresAttributes`: attributes that nothing would read are not set in silence."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

from chainrule.arguments import shown
from chainrule.base.annotations import own_annotations
from chainrule.calls import ExplainsAttributes, no_attribute
from chainrule.errors import FrozenSettingError, UnknownAttributeError, label

NEAR = 0.85
"""The similarity from which on a name counts as misspelt; "stoped" and "stopped" have 0.92."""

READ = "It is there to be read."
OWN_NAMES = "Begin the names of your own attributes with an underscore."


class DeclaresAttributes(ExplainsAttributes):
    """Refuse to set an attribute that the class does not declare by an annotation, unless it has an underscore."""

    # What to write, as a sentence, in place of an assignment to an attribute that only the class itself may replace.
    _replaced_by: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __setattr__(self, name: str, value: object) -> None:
            if name not in self.__dict__ and not name.startswith("_"):
                expect_declared(self, name, value)
            elif name in self._replaced_by:
                raise not_to_be_assigned(self, name, value, self._replaced_by[name])
            object.__setattr__(self, name, value)


def expect_declared(owner: object, name: str, value: object) -> None:
    """Raise FrozenSettingError for a method or a property to be read, UnknownAttributeError for no attribute at all."""
    cls = type(owner)
    if getattr(getattr(cls, name, None), "fset", None) or any(
        name in own_annotations(parent) for parent in cls.__mro__
    ):
        return
    if hasattr(cls, name):
        raise not_to_be_assigned(owner, name, value, getattr(cls, "_replaced_by", {}).get(name, READ))
    raise UnknownAttributeError(not_to_be_set(owner, name))


def not_to_be_assigned(owner: object, name: str, value: object, fix: str = READ) -> FrozenSettingError:
    """Return the error for an attribute that is there but is not to be assigned."""
    return FrozenSettingError(f"{label(owner)}: {name} must not be assigned, got {shown(value)}. {fix}")


def not_to_be_set(owner: object, name: str) -> str:
    """Return what to write in place of setting an attribute that an object does not have."""
    message = no_attribute(owner, name)
    return f"{message} {OWN_NAMES}" if message.endswith(f'has no "{name}".') else message


def expect_note(owner: object, name: str, value: object) -> None:
    """Raise ChainruleError if a new attribute, such as a note for others, is a property, or nearly a name in use."""
    cls = type(owner)
    if isinstance(getattr(cls, name, None), property):
        raise not_to_be_assigned(owner, name, value)
    names = {known for known in {*dir(cls), *vars(owner)} if not known.startswith("_")}
    if name not in names and (name in getattr(cls, "_instead", ()) or get_close_matches(name, names, n=1, cutoff=NEAR)):
        raise UnknownAttributeError(no_attribute(owner, name))
