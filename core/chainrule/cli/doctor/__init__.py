"""``chainrule doctor``: the metadata of every installed package, and the loading of every component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One fault of an installation, or with level "note" a fact worth knowing.

    Attributes:
        level: "wrong" or "note".
        topic: "blocked", "chainrule", "collision", "command", "component", "contract", "group", "hook", "metadata",
            "name", "requirement", "scope", "shadowed", "stale", "surroundings" or "torch".
        subject: a component's key, or the name of a distribution or module.
        package: the distribution at fault.
        message: one line with the subject, the rule, the value and the fix.
        traceback: of the error, if there was one.
    """

    level: Literal["wrong", "note"]
    topic: str
    subject: str
    package: str
    message: str
    traceback: str = ""
