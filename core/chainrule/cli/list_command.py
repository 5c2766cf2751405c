"""``chainrule list``: the catalogue, read from metadata and source files without importing any plugin."""

from __future__ import annotations

import sys
from collections import Counter
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from chainrule import registry
from chainrule.cli.completion import complete_kind, complete_name
from chainrule.cli.output import echo, print_json
from chainrule.errors import UnknownComponentError
from chainrule.registry.component import Component
from chainrule.registry.kinds import KINDS, did_you_mean, kind_named, kind_or_none
from chainrule.registry.source_files import summary
from chainrule.terminal import console

COLUMNS = ("kind", "name", "summary", "package", "version", "state")
GAP = "  "
LEAST_SUMMARY = 24
"""The least readable width of a summary."""


def list_components(
    kind: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(KINDS)}.", autocompletion=complete_kind)
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Argument(
            help="Part of a name, or a pattern such as 'ada*' or 'some-package:*'.", autocompletion=complete_name
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the components of all installed packages.

    Example: chainrule list optimizers 'ada*'
    """
    if kind is not None and pattern is None:
        kind, pattern = _kind_and_pattern(kind)
    components = [component for component in registry.components(kind) if _matches(component, pattern)]
    if pattern is not None and not components:
        raise _nothing_matches(kind, pattern)
    rows = [_row(component) for component in components]
    if as_json:
        print_json(rows)
    elif sys.stdout.isatty():
        _print_table(rows)
    else:
        for row in rows:
            echo("\t".join(row[column] for column in COLUMNS))
    for problem in registry.problems():
        echo(f"chainrule: {problem}", err=True)


def _kind_and_pattern(text: str) -> tuple[str | None, str | None]:
    """Split a single argument into kind and pattern: either one, or both as ``KIND:PATTERN``."""
    first, _, rest = text.partition(":")
    if kind_or_none(first) is None:
        return None, text
    return first, rest or None


def _matches(component: Component, pattern: str | None) -> bool:
    names = (component.name, component.full_name)
    return pattern is None or pattern in component.name or any(fnmatchcase(name, pattern) for name in names)


def _nothing_matches(kind: str | None, pattern: str) -> UnknownComponentError:
    known = [component.name for component in registry.components(kind)]
    where = "component" if kind is None else f"name among the {kind_named(kind)}"
    hint = did_you_mean(pattern, known if kind is not None else (*known, *KINDS))
    also = "".join(f" Also: {problem}" for problem in registry.problems())
    return UnknownComponentError(f'list: no {where} matches "{pattern}".{hint} All: chainrule list.{also}')


def _row(component: Component) -> dict[str, str]:
    return {
        "kind": component.kind,
        "name": component.name,
        "summary": " ".join(summary(component).split()),
        "package": component.distribution,
        "version": component.version,
        "state": registry.state(component),
    }


def _print_table(rows: list[dict[str, str]]) -> None:
    """Print a line for each row under a heading for each kind; the source that all share is named once, below."""
    from rich.text import Text

    out = console()
    if not rows:
        out.print("None is installed.")
        return
    sources = {_source(row) for row in rows}
    lines = [(f"  {row['name']}", row["summary"], _source(row), _shown_state(row)) for row in rows]
    widths = _column_widths(lines, out.width, one_source=len(sources) == 1)
    kinds = Counter(row["kind"] for row in rows)
    for number, (row, line) in enumerate(zip(rows, lines, strict=True)):
        if number == 0 or row["kind"] != rows[number - 1]["kind"]:
            out.print(Text(f"{row['kind']} ({kinds[row['kind']]})", style="bold"))
        shown = Text(style="" if row["state"] == "declared" else "yellow")
        for text, width in zip(line, widths, strict=True):
            if width:
                cell = Text(text)
                cell.truncate(width, overflow="ellipsis", pad=True)
                shown += cell + Text(GAP)
        shown.rstrip()
        out.print(shown, soft_wrap=True)
    if len(sources) == 1:
        out.print(Text(f"{len(rows)} from {sources.pop()}", style="dim"))


def _source(row: dict[str, str]) -> str:
    return f"{row['package']} {row['version']}".strip()


def _shown_state(row: dict[str, str]) -> str:
    return "" if row["state"] == "declared" else row["state"]


def _column_widths(lines: list[tuple[str, str, str, str]], width: int, *, one_source: bool) -> tuple[int, ...]:
    """Return each column's width, 0 for one that is left out; a narrow terminal truncates summaries, but no name."""
    name, summary, longest, state = (max(map(len, column)) for column in zip(*lines, strict=True))
    for source in (0,) if one_source else (longest, 0):
        room = width - sum(each + len(GAP) for each in (name, source, state) if each)
        if room >= LEAST_SUMMARY:
            return name, min(summary, room), source, state
    return name, 0, 0, state
