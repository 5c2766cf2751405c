"""The record that stands for a component before it is loaded, and the rules for its kind and name."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass

from chainrule.errors import UnknownComponentError

KINDS = ("layers", "activations", "losses", "initializers", "optimizers", "schedules", "callbacks", "tasks")
COMMANDS = "commands"
HOOKS = "hooks"
OWN_DISTRIBUTION = "chainrule"
SESSION = "session"
"""What stands in place of a distribution for what was registered in this process."""

NAME_RULE = "[a-z][a-z0-9_]*, and not a Python keyword"
_NAME = re.compile(r"[a-z][a-z0-9_]*")

_PARENTS = {
    "chainrule.base.module.Module": ("layers", "activations"),
    "chainrule.base.loss.Loss": ("losses",),
    "chainrule.base.initializer.Initializer": ("initializers",),
    "chainrule.base.optimizer.Optimizer": ("optimizers",),
    "chainrule.base.task.Task": ("tasks",),
}
"""The kinds whose components inherit from a class, by its address, so that nothing need be imported to ask."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """One entry of the catalogue: what is registered under a name, by whom, and where it would be loaded from.

    Args:
        kind: One of `KINDS`.
        name: The name that users write.
        entry_point: The object's address, ``package.module:Class``.
        distribution: The package that declares it, filled in by discovery.
        version: The version of that package, filled in by discovery.
    """

    kind: str
    name: str
    entry_point: str
    distribution: str = ""
    version: str = ""

    @property
    def key(self) -> str:
        """The name within the whole catalogue: ``optimizers:lion``."""
        return f"{self.kind}:{self.name}"

    @property
    def full_name(self) -> str:
        """The name that no other package can take: ``chainrule-lion:lion``."""
        return f"{self.distribution}:{self.name}"


def singular(kind: str) -> str:
    """Return what one component of a kind is called: ``loss`` for ``losses``."""
    return "loss" if kind == "losses" else kind.removesuffix("s")


def kind_or_none(text: str) -> str | None:
    """Return the kind that a text names in the singular or plural, or None."""
    lowered = text.lower()
    for kind in (*KINDS, COMMANDS):
        if lowered in (kind, singular(kind)):
            return kind
    return None


def kind_named(text: str) -> str:
    """Return the kind that a text names in the singular or plural.

    Raises:
        UnknownComponentError: If there is no such kind.
    """
    kind = kind_or_none(text)
    if kind is None:
        hint = did_you_mean(text, KINDS)
        raise UnknownComponentError(f'No kind of component is called "{text}".{hint} Kinds: {", ".join(KINDS)}.')
    return kind


def parent_of_another_kind(kind: str, loaded: object) -> str | None:
    """Return the parent class from which a class inherits although its kind has another one, or None."""
    for cls in loaded.__mro__ if isinstance(loaded, type) else ():
        kinds = _PARENTS.get(f"{cls.__module__}.{cls.__qualname__}", (kind,))
        if kind not in kinds:
            return f"chainrule.{cls.__qualname__}"
    return None


def is_valid_name(name: str) -> bool:
    """Say whether a component may have this name."""
    return _NAME.fullmatch(name) is not None and not keyword.iskeyword(name)


def canonical_distribution(name: str) -> str:
    """Return a distribution's name with case and separators made equal, as package indexes compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """Return `` Did you mean "adam"?`` for the names nearest to a text, or an empty string."""
    from difflib import get_close_matches

    close = [f'"{name}"' for name in get_close_matches(text.lower(), sorted(set(names)), n=3)]
    return f" Did you mean {' or '.join(close)}?" if close else ""
