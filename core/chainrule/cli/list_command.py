"""``chainrule list``: the catalogue, read from metadata and source files without importing any plugin."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from chainrule import registry
from chainrule.cli.completion import complete_kind, complete_name
from chainrule.component import KINDS, Component, did_you_mean, kind_named, kind_or_none
from chainrule.errors import UnknownComponentError
from chainrule.source import summary

COLUMNS = ("kind", "name", "summary", "package", "version", "state")


def list_components(
    kind: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(KINDS)}.", autocompletion=complete_kind)
    ] = None,
    pattern: Annotated[
        str | None, typer.Argument(help="Part of a name, or a pattern such as 'ada*'.", autocompletion=complete_name)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the components of all installed packages.

    Example: chainrule list optimizers 'ada*'
    """
    if kind is not None and pattern is None and kind_or_none(kind) is None:
        kind, pattern = None, kind
    components = [component for component in registry.components(kind) if _matches(component, pattern)]
    if pattern is not None and not components:
        raise _nothing_matches(kind, pattern)
    rows = [_row(component) for component in components]
    if as_json:
        import json

        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_table(rows)
    else:
        for row in rows:
            typer.echo("\t".join(row[column] for column in COLUMNS))
    for problem in registry.problems():
        typer.echo(f"chainrule: {problem}", err=True)


def _matches(component: Component, pattern: str | None) -> bool:
    return pattern is None or pattern in component.name or fnmatchcase(component.name, pattern)


def _nothing_matches(kind: str | None, pattern: str) -> UnknownComponentError:
    known = [component.name for component in registry.components(kind)]
    where = "component" if kind is None else f"name among the {kind_named(kind)}"
    hint = did_you_mean(pattern, known if kind is not None else (*known, *KINDS))
    return UnknownComponentError(f'list: a {where} must match "{pattern}", got none.{hint} All: chainrule list.')


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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, ratio=1 if column == "summary" else None, no_wrap=column != "summary")
    for row in rows:
        style = "" if row["state"] == "declared" else "yellow"
        table.add_row(*(Text(row[column]) for column in COLUMNS), style=style)
    Console().print(table)
