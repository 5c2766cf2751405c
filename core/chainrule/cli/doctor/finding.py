"""`Finding`: one thing that the doctor has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or with level "note" one that is merely good to know.

    Attributes:
        level: "wrong" or "note".
        topic: "blocked", "chainrule", "collision", "command", "component", "group", "hook", "metadata", "name",
            "requirement", "shadowed", "stale" or "torch".
        subject: What it is about: a component's key, or a distribution's name.
        package: The distribution that it comes from.
        message: One line that names the thing, the rule, the value and the fix.
        traceback: Where the error arose, if there was one.
    """

    level: Literal["wrong", "note"]
    topic: str
    subject: str
    package: str
    message: str
    traceback: str = ""
