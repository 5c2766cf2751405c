"""`NamedValues`: a dict by name, whose KeyError has the names that there are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import NoReturn, TypeVar

from chainrule.arguments import nearest
from chainrule.errors import UnknownCurveError

Value = TypeVar("Value")


class NamedValues(dict[str, Value]):
    """Values by name; the owner and what a value is called begin the message about a name that there is not."""

    def __init__(self, owner: str, called: str, values: Mapping[str, Value]) -> None:
        super().__init__(values)
        self._owner, self._called = owner, called

    def __missing__(self, name: object) -> NoReturn:
        raise unknown_name(self._owner, self._called, name, self)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Value]]]:
        return OrderedDict, (dict(self),)  # which torch.load(weights_only=True) takes


def unknown_name(owner: str, called: str, name: object, known: Collection[str]) -> UnknownCurveError:
    """Return the error about a name that is not known, with the one that is meant or those that there are."""
    there_are = nearest(str(name), known) or f" It has {', '.join(known)}."
    return UnknownCurveError(f"{owner}: no {called} is called {name!r}.{there_are}")
