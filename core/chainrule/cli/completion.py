"""Shell completion of kinds and component names, from metadata alone."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from chainrule import registry
from chainrule.registry.kinds import KINDS, singular

BEFORE_COLON = "_CHAINRULE_BEFORE_COLON"


def complete_kind(incomplete: str) -> list[str]:
    """Return the kinds that begin with the typed text."""
    return [kind for kind in KINDS if kind.startswith(incomplete)]


def complete_singular_kind(incomplete: str) -> list[str]:
    """Return the singular kinds that begin with the typed text."""
    return [singular(kind) for kind in KINDS if singular(kind).startswith(incomplete)]


def complete_license(incomplete: str) -> list[str]:
    """Return the licenses that begin with the typed text."""
    from chainrule.cli.scaffold import LICENSES

    return [name for name in LICENSES if name.startswith(incomplete)]


def complete_name(incomplete: str) -> list[str]:
    """Return the names that begin with the typed text; after a colon, names prefixed by kind or package."""
    before = os.environ.get(BEFORE_COLON, "")
    typed = before + incomplete
    offered = set()
    for component in registry.components():
        state = registry.state(component)
        if state in ("declared", "ambiguous"):
            unique = component.key if state == "declared" else f"{component.kind}:{component.full_name}"
            offered |= {unique, component.full_name} if ":" in typed else {component.name}
    return sorted(name.removeprefix(before) for name in offered if name.startswith(typed))


def join_words_split_at_colons(environment: MutableMapping[str, str]) -> None:
    """Rejoin a word such as ``optimizers:ad``, which bash splits into three, completing only the last.

    The part up to the word's last colon goes to `BEFORE_COLON`; only the rest is completed.
    """
    if environment.get("_CHAINRULE_COMPLETE") != "complete_bash" or "\n" not in environment.get("COMP_WORDS", ""):
        return
    words, current = environment["COMP_WORDS"].split("\n"), int(environment["COMP_CWORD"])
    typed = words[: current + 1]
    if typed[-1:] == [":"]:
        typed.append("")
    before = ""
    while len(typed) > 2 and typed[-2] == ":":
        before = f"{typed[-3]}:{before}"
        typed[-3:] = typed[-1:]
    if before:
        environment.update({BEFORE_COLON: before, "COMP_WORDS": "\n".join(typed), "COMP_CWORD": str(len(typed) - 1)})
