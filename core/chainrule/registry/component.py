"""The record that stands for a component before it is loaded, and the rules for its name."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

OWN_DISTRIBUTION = "chainrule"
SESSION = "session"
"""What stands in place of a distribution for what was registered in this process."""

NAME_RULE = "[a-z][a-z0-9_]*, and not a Python keyword"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Component:
    """One entry of the catalogue: what is registered under a name, by whom, and where it would be loaded from.

    Args:
        kind: One of `KINDS`.
        name: The name that users write.
        entry_point: The object's address, ``package.module:Class``.
        distribution: The package that declares it, filled in by discovery.
        version: The version of that package, filled in by discovery.
        api: The contract that the package is written for, filled in by discovery; None where it states none.
    """

    kind: str
    name: str
    entry_point: str
    distribution: str = ""
    version: str = ""
    api: int | None = None

    @property
    def key(self) -> str:
        """The name within the whole catalogue: ``optimizers:lion``."""
        return f"{self.kind}:{self.name}"

    @property
    def full_name(self) -> str:
        """The name that no other package can take: ``chainrule-lion:lion``."""
        return f"{self.distribution}:{self.name}"


def is_valid_name(name: str) -> bool:
    """Say whether a component may have this name."""
    return _NAME.fullmatch(name) is not None and not keyword.iskeyword(name)


def canonical_distribution(name: str) -> str:
    """Return a distribution's name with case and separators made equal, as package indexes compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()
