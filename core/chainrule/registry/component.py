"""`Component`: the record of a component, which need not be loaded, and the rules for its name."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

OWN_DISTRIBUTION = "chainrule"
SESSION = "session"
"""The distribution of components that were registered in this process."""

NAME_RULE = "[a-z][a-z0-9_]* and not be a Python keyword"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Component:
    """A record of the catalogue: a name, its package, and the address to load from.

    Args:
        kind: one of `KINDS`.
        name: the name that users write.
        entry_point: the object's address, ``package.module:Class``.
        distribution: the package that declares it, filled in by discovery.
        version: the version of that package, filled in by discovery.
        api: the contract that the package is written for, filled in by discovery; None if it states none.
        summary: a sentence on it; empty for the first line of its docstring, as its source has it.
        foreign: whether it is another library's work, used through a plugin; what runs over all components leaves such
            a one out.
    """

    kind: str
    name: str
    entry_point: str
    distribution: str = ""
    version: str = ""
    api: int | None = None
    summary: str = ""
    foreign: bool = False

    @property
    def key(self) -> str:
        """The name within the whole catalogue: ``optimizers:lion``."""
        return f"{self.kind}:{self.name}"

    @property
    def full_name(self) -> str:
        """The name that no other package can take: ``chainrule-lion:lion``."""
        return f"{self.distribution}:{self.name}"


def is_valid_name(name: str) -> bool:
    """Return whether a component may have this name."""
    return _NAME.fullmatch(name) is not None and not keyword.iskeyword(name)


def canonical_distribution(name: str) -> str:
    """Return a distribution's name with case and separators normalized, as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()
