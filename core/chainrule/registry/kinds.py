"""The kinds of component: one table of their names and parent classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chainrule.errors import UnknownComponentError


class Kind(NamedTuple):
    """One kind of component.

    Attributes:
        name: the plural, which also names the entry-point group ``chainrule.NAME`` and the module that imports by name.
        singular: the name of one component.
        parent: the address of the class from which components inherit, compared without importing it; None if they
            need no parent class.
    """

    name: str
    singular: str
    parent: str | None = None


TABLE = (
    Kind("layers", "layer", "chainrule.base.module.Module"),
    Kind("activations", "activation", "chainrule.base.module.Module"),
    Kind("losses", "loss", "chainrule.base.loss.Loss"),
    Kind("initializers", "initializer", "chainrule.base.initializer.Initializer"),
    Kind("optimizers", "optimizer", "chainrule.base.optimizer.Optimizer"),
    Kind("schedules", "schedule", "chainrule.base.schedule.Schedule"),
    Kind("callbacks", "callback"),
    Kind("metrics", "metric", "chainrule.base.metric.Metric"),
    Kind("tasks", "task", "chainrule.base.task.Task"),
)

KINDS = tuple(kind.name for kind in TABLE)
COMMANDS = "commands"
FUNCTIONS = "functions"
HOOKS = "hooks"
OUT_OF_SCOPE = "out_of_scope"


def singular(kind: str) -> str:
    """Return the singular of a kind: ``loss`` for ``losses``."""
    return next((known.singular for known in TABLE if known.name == kind), kind.removesuffix("s"))


def kind_or_none(text: str) -> str | None:
    """Return the kind that a text names in the singular or plural, or None."""
    lowered = text.lower()
    for kind in (*KINDS, COMMANDS, FUNCTIONS):
        if lowered in (kind, singular(kind)):
            return kind
    return None


def kind_named(text: str) -> str:
    """Return the kind that a text names in the singular or plural.

    Raises:
        UnknownComponentError: if there is no such kind.
    """
    kind = kind_or_none(str(text))
    if kind is None:
        hint = did_you_mean(str(text), KINDS)
        raise UnknownComponentError(f'No kind of component is called "{text}".{hint} Kinds: {", ".join(KINDS)}.')
    return kind


def kinds_of_class(component: object) -> dict[str, str]:
    """Return the kinds of a class by its nearest parent class in the table, each with that parent's public name."""
    for cls in component.__mro__ if isinstance(component, type) else ():
        address = f"{cls.__module__}.{cls.__qualname__}"
        if kinds := {kind.name: f"chainrule.{cls.__qualname__}" for kind in TABLE if kind.parent == address}:
            return kinds
    return {}


def letters_of(name: str) -> str:
    """Return a name without what people write differently: those of L-BFGS, l_bfgs and lbfgs are the same."""
    return name.lower().replace("-", "").replace("_", "")


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """Return `` Did you mean "adam"?`` with the names nearest to a text, or an empty string."""
    from difflib import get_close_matches

    close = [f'"{name}"' for name in get_close_matches(text.lower(), sorted(set(names)), n=3)]
    return f" Did you mean {' or '.join(close)}?" if close else ""
