"""A component's docstring, and the formulas in it."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Sequence

_SECTION = re.compile(r"([A-Z]\w*):(?:\s+(.*))?")
_GRADIENT = re.compile(r"``d(\w+)(?:\[[^\]]*\])? \+?=")
"""The start of a gradient's formula, such as ``dW = …`` or ``dx[c, i] += …``, in double backquotes."""


def docstring_of(component: object) -> str:
    """Return a component's own docstring, clean; empty for the signature that a dataclass has where none is written."""
    own = vars(component).get("__doc__") if isinstance(component, type) else component.__doc__  # a class inherits one
    text = inspect.cleandoc(own or "")
    made = f"{component.__name__}(" if isinstance(component, type) and dataclasses.is_dataclass(component) else None
    return "" if made and text.startswith(made) and text.endswith(")") else text


def sections(docstring: str) -> dict[str, str]:
    """Return the text of each section of a clean docstring by its heading, such as Forward or Source."""
    found: dict[str, list[str]] = {}
    heading = None
    for line in docstring.splitlines()[1:]:
        match = _SECTION.fullmatch(line)
        if match:
            heading = match[1]
            found[heading] = [match[2] or ""]
        elif heading is not None and (line.startswith(" ") or not line):
            found[heading].append(line)
        else:
            heading = None
    return {heading: inspect.cleandoc("\n".join(lines)).strip() for heading, lines in found.items()}


def formula(component: object, heading: str) -> str:
    """Return one section of a component's docstring, or of its parent's, on one line; empty if there is none."""
    return _plain(sections(inspect.getdoc(component) or "").get(heading, ""))


def gradient_formulas(component: object, names: Sequence[str]) -> dict[str, str]:
    """Return the part of the section Backward for each gradient, or all of it where the parts cannot be told apart.

    A name stands for its symbol or for one with its initial, as weight does for W; the rest follow in order.

    Args:
        component: with the docstring.
        names: of the input and the parameters, such as ["x", "weight", "bias"].
    """
    text = " ".join(sections(inspect.getdoc(component) or "").get("Backward", "").split())
    parts = _parts(text)
    found = {name: symbol for name in names for symbol in parts if symbol == name or symbol.lower() == name[0]}
    left = [symbol for symbol in parts if symbol not in found.values()]
    unnamed = [name for name in names if name not in found]
    if len(left) == len(unnamed):
        found |= dict(zip(unnamed, left, strict=True))
    return {name: _plain(parts[found[name]] if name in found else text) for name in names}


def _parts(text: str) -> dict[str, str]:
    """Return the text about each gradient by its symbol, such as W for ``dW = dyᵀ x``."""
    starts = [(match[1], match.start()) for match in _GRADIENT.finditer(text)]
    changes = [start for i, start in enumerate(starts) if not i or start[0] != starts[i - 1][0]]
    ends = [*[start for _, start in changes[1:]], len(text)]
    return {
        symbol: text[start : ends[i]].rstrip(" ,;").removesuffix(" and") for i, (symbol, start) in enumerate(changes)
    }


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "").split())
