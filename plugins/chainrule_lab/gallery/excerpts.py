"""A component's formulas and source code as HTML."""

from __future__ import annotations

import inspect
import io
import keyword
import re
import textwrap
import tokenize
from collections.abc import Iterator

from markupsafe import Markup, escape

from chainrule import Optimizer, Wrapper

METHODS = (
    "init",
    "scalars",
    "reduce",
    "change_gradient",
    "update",
    "apply",
    "change_direction",
    "after_step",
    "evaluation_parameter",
)
"""The methods of a rule, in the order in which they are called."""

_CODE = re.compile(r"``(.+?)``", re.DOTALL)
_PAPER = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def prose(text: str, steps: bool = False) -> Markup:
    """Return a docstring's text with its code marked as such and its papers linked, all else escaped.

    Args:
        text: the text.
        steps: whether formulas that follow each other stand on lines of their own.
    """
    safe = str(escape(" ".join(text.split())))
    safe = _CODE.sub(r"<code>\1</code>", safe)
    if steps:
        safe = re.sub(r"</code>[;,] <code>", "</code><br><code>", safe)
    return Markup(_PAPER.sub(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', safe))  # noqa: S704 - escaped above


def rule_source(rule: Optimizer) -> Markup:
    """Return the source of the methods that a rule defines, or inherits from another rule than the base classes."""
    parts = []
    for name in METHODS:
        method = getattr(type(rule), name, None)
        if method not in (None, getattr(Optimizer, name, None), getattr(Wrapper, name, None)):
            try:
                parts.append(textwrap.dedent(inspect.getsource(method)).strip())
            except (OSError, TypeError):  # compiled, or typed into a session
                continue
    return highlighted("\n\n".join(parts))


def highlighted(code: str) -> Markup:
    """Return Python code in HTML with its keywords, strings, numbers and comments marked by classes."""
    lines = code.splitlines(keepends=True)
    parts: list[str | Markup] = []
    row, column = 1, 0
    try:
        for first, last, kind in _marked_tokens(code):
            parts += [escape(_between(lines, (row, column), first))]
            parts += [Markup('<span class="{}">{}</span>').format(kind, _between(lines, first, last))]
            row, column = last
    except (tokenize.TokenError, SyntaxError):
        return escape(code)
    parts.append(escape(_between(lines, (row, column), (len(lines) + 1, 0))))
    return Markup("").join(parts)


def _marked_tokens(code: str) -> Iterator[tuple[tuple[int, int], tuple[int, int], str]]:
    previous = ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        kind = {tokenize.STRING: "s", tokenize.NUMBER: "n", tokenize.COMMENT: "c"}.get(token.type, "")
        if token.type == tokenize.NAME and keyword.iskeyword(token.string):
            kind = "k"
        elif token.type == tokenize.NAME and previous == "def":
            kind = "d"
        if kind:
            yield token.start, token.end, kind
        previous = token.string


def _between(lines: list[str], first: tuple[int, int], last: tuple[int, int]) -> str:
    """Return the text between two places, each a line from 1 and a column."""
    (row, column), (end_row, end_column) = first, last
    if row == end_row:
        return lines[row - 1][column:end_column] if row <= len(lines) else ""
    inside = [lines[row - 1][column:] if row <= len(lines) else "", *lines[row : end_row - 1]]
    return "".join(inside) + (lines[end_row - 1][:end_column] if end_row <= len(lines) else "")
