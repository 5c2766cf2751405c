"""``chainrule show``: one component, from its docstring and signature, or the contract of a kind."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chainrule import registry
from chainrule.cli.completion import complete_name
from chainrule.cli.output import echo, print_json, stdout_kept_for, styled
from chainrule.errors import ChainruleError, UnknownComponentError
from chainrule.registry.component import Component
from chainrule.registry.kinds import COMMANDS, KINDS, kind_or_none

HEADINGS = {"define": "To define", "set": "To set", "override": "To override", "use": "To use"}


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A name, or KIND:NAME, or DISTRIBUTION:NAME; or a kind, for its contract.",
            autocompletion=complete_name,
        ),
    ],
    source: Annotated[bool, typer.Option("--source", help="Print the source code instead.")] = False,
    numbers: Annotated[
        bool,
        typer.Option(
            "--numbers",
            help="Print a small pass in numbers instead: each gradient by hand, by central differences and by "
            "autograd. NAME may be FILE.py:Class too; exit with 1 if they disagree.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a component: formula, hyperparameters, source, package and version; or the contract of a kind.

    Example: chainrule show optimizers:adam, or: chainrule show linear --numbers
    """
    if source and numbers:
        raise typer.BadParameter("give --source or --numbers, not both.")
    kind = kind_or_none(name)
    if numbers:
        _show_numbers(name, kind, as_json)
        return
    if kind in KINDS:
        _show_contract(kind, as_json)
        return
    from chainrule.cli.description import describe, source_code

    with stdout_kept_for(as_json):
        component = _installed(name)
        if component.kind == COMMANDS:
            raise ChainruleError(
                f"show: the component must be one of the {', '.join(KINDS)}, got the command {component.key}. "
                f"Run chainrule {component.name} --help."
            )
        loaded = registry.load(component)
    if as_json:
        code = {"code": source_code(component, loaded)} if source else {}
        print_json(describe(component, loaded) | code)
    elif source:
        echo(source_code(component, loaded).rstrip())
    else:
        _print(describe(component, loaded))


def _installed(name: str) -> Component:
    try:
        return registry.resolve(name)
    except UnknownComponentError as error:
        if ".py:" not in name:
            raise
        raise ChainruleError(
            f"show: the component must be installed, got {name}. Add --numbers, or run chainrule check {name}."
        ) from error


def _show_contract(kind: str, as_json: bool) -> None:
    from chainrule.cli.kind_contract import contract_of

    members = contract_of(kind)
    if as_json:
        print_json([member._asdict() for member in members])
        return
    role = None
    for member in members:
        if member.role != role:
            role = member.role
            echo(styled(HEADINGS[role]))
        echo(f"  {member.name}{member.declaration}\n      {member.meaning}")


def _show_numbers(name: str, kind: str | None, as_json: bool) -> None:
    from chainrule.cli.numbers import numbers_named, print_numbers, record_of

    if kind in KINDS:
        raise ChainruleError(f"show: --numbers needs the name of one component, got the kind {kind}. Name one of them.")
    with stdout_kept_for(as_json):
        component, found = numbers_named(name)
    if as_json:
        print_json(record_of(component, found))
    else:
        print_numbers(component, found)
    if not found.agree:
        raise typer.Exit(1)


def _print(described: dict[str, Any]) -> None:
    echo(styled(f"{described['kind']}:{described['name']}"))
    echo(described["docstring"] or "(no docstring)")
    if described["hyperparameters"]:
        echo(styled("\nHyperparameters"))
        for hyperparameter in described["hyperparameters"]:
            echo(f"  {_line(hyperparameter)}")
    echo(styled("\nExample"))
    for line in described["example"].splitlines():
        echo(f"  {line}")
    echo(f"\nSource file: {described['source_file'] or 'unknown'}")
    echo(f"Package:     {described['package']} {described['version']}")


def _line(hyperparameter: dict[str, Any]) -> str:
    """Return ``lr: float = 0.001   (at least 0; search 1e-05 to 10)``."""
    words = {"at_least": "at least {}", "above": "above {}", "at_most": "at most {}", "below": "below {}"}
    notes = [text.format(hyperparameter[key]) for key, text in words.items() if hyperparameter.get(key) is not None]
    if hyperparameter.get("search") is not None:
        notes.append("search {:g} to {:g}".format(*hyperparameter["search"]))
    if hyperparameter.get("per_member") is False:
        notes.append("the same for all members")
    return str(hyperparameter["declaration"]) + (f"   ({'; '.join(notes)})" if notes else "")
