"""Lines of Python, broken where they are too long, as ruff formats them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120


def indented(text: str, depth: int) -> str:
    """Return lines moved to the right."""
    return textwrap.indent(text, " " * depth)


def deeper(lines: Iterable[str]) -> list[str]:
    """Return lines inside a block."""
    return [indented(line, 4) for line in lines]


def call(head: str, arguments: Sequence[str], tail: str = "", *, indent: int, trailing: bool = True) -> str:
    """Return ``head(arguments)tail``, on one line if it fits behind an indent, else on as many as it takes.

    Args:
        head: what stands before the parenthesis.
        arguments: what stands between them.
        tail: what stands behind.
        indent: that of the line.
        trailing: whether the last argument may have a comma.
    """
    joined = ", ".join(arguments)
    if indent + len(f"{head}({joined}){tail}") <= WIDTH:
        return f"{head}({joined}){tail}"
    if trailing and (indent + 4 + len(joined) > WIDTH or "*" in arguments):
        joined = ",\n    ".join(arguments) + ","
    return f"{head}(\n    {joined}\n){tail}"


def joined(text: str) -> str:
    """Return the text with each call that renaming has made short enough on one line."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines.append(line)
        opening, inside, closing = lines[-3:] if len(lines) > 2 else ("", "", "")
        opens = opening.endswith("(") and not opening.lstrip().startswith("#")
        if (
            opens
            and re.fullmatch(r"\s*\)(:|,| -> .+:)?", closing)
            and inside.strip()
            and not inside.endswith((",", "(", "[", "{"))
        ):
            depth = len(opening) - len(opening.lstrip())
            one = opening + inside.strip() + closing.strip()
            if len(one) <= WIDTH and closing.startswith(" " * depth + ")") and "#" not in inside:
                lines[-3:] = [one]
    return "\n".join(lines)
