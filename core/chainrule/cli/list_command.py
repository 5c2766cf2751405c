"""``chainrule list``: the catalogue, read from metadata and source files without importing any plugin."""

from __future__ import annotations

import sys
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
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = _fitting_columns(rows, out.width)
    for column in columns:
        table.add_column(column, ratio=1 if column == "summary" else None, overflow="fold")
    for row in rows:
        style = "" if row["state"] == "declared" else "yellow"
        table.add_row(*(Text(row[column]) for column in columns), style=style)
    out.print(table)


def _fitting_columns(rows: list[dict[str, str]], width: int) -> list[str]:
    """Return the columns that fit the terminal, so that a narrow one truncates no name."""
    widths = {column: max(len(text) for text in (column, *(row[column] for row in rows))) for column in COLUMNS}
    widths["summary"] = min(widths["summary"], LEAST_SUMMARY)
    columns = list(COLUMNS)
    expendable = ["version", "package", "summary"]
    if all(row["state"] == "declared" for row in rows):
        expendable.insert(0, "state")
    for column in expendable:
        if sum(widths[each] + 2 for each in columns) - 2 > width:
            columns.remove(column)
    return columns
