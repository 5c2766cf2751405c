"""``chainrule check``: run the conformance kit on components, installed or in a file."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from chainrule import registry
from chainrule.cli.completion import complete_name
from chainrule.cli.output import echo, print_json, stdout_kept_for, styled
from chainrule.cli.surroundings import expect_surroundings
from chainrule.errors import BrokenComponentError, ChainruleError
from chainrule.registry.kinds import KINDS, kind_or_none
from chainrule.terminal import console

if TYPE_CHECKING:
    from chainrule.cli.parallel_checks import Plan
    from chainrule.testing import Check, Result, Subject

COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="NAME, KIND:NAME, KIND, FILE.py:Class or KIND:FILE.py:Class, one or more.",
            autocompletion=complete_name,
            show_default=False,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Check every installed component.")] = False,
    pattern: Annotated[
        str, typer.Option("-k", help="Run only checks whose name contains TEXT or matches it as a pattern.")
    ] = "*",
    compile: Annotated[
        bool, typer.Option("--compile", help="Run also the checks that call the compiler, some ten seconds each.")
    ] = False,
    list_checks: Annotated[bool, typer.Option("--list", help="Print the checks with their descriptions.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run the conformance kit on components; exit with 1 if a check fails.

    Example: chainrule check adam, or: chainrule check ./my_rule.py:MyRule
    """
    if bool(names) + everything + list_checks != 1:
        raise typer.BadParameter("give names, or --all, or --list.")
    if not list_checks:
        expect_surroundings()  # or the components would be blamed
    from chainrule.cli.parallel_checks import Plan, results_of
    from chainrule.testing import checks_of, every_check

    def chosen(checks: Iterable[Check]) -> list[Check]:
        return [check for check in checks if pattern in check.name or fnmatchcase(check.name, pattern)]

    known = every_check()
    for problem in registry.problems():
        echo(f"chainrule: {problem}", err=True)
    if not chosen(known):
        raise ChainruleError(f'check: no check matches "{pattern}". All: chainrule check --list.')
    if list_checks:
        _print_checks(chosen(known), as_json)
        return
    with stdout_kept_for(as_json):
        found = [_subjects_of(name) for name in names or KINDS]
    results = [failure for _, failures in found for failure in failures]
    every = [
        Plan(address, subject, checks)
        for some, _ in found
        for address, subject in some.items()
        if (checks := chosen(checks_of(subject.kind, compile=True)))
    ]
    planned = [
        dataclasses.replace(plan, checks=left)
        for plan in every
        if (left := [check for check in plan.checks if compile or not check.compiles])
    ]
    if not planned and (labels := ", ".join(subject.label for some, _ in found for subject in some.values())):
        if every:
            raise ChainruleError(f'check: the checks on {labels} that match "{pattern}" need --compile. Add it.')
        raise ChainruleError(f'check: no check on {labels} matches "{pattern}". All: chainrule check --list.')
    with stdout_kept_for(as_json):
        for plan, rows in zip(planned, results_of(planned), strict=True):
            results += rows if as_json else _shown(plan.subject, rows, table=len(planned) <= len(names or []))
    if as_json:
        print_json([_row(result) for result in results])
    else:
        _print_failures(results, left_out=_number(every) - _number(planned), foreign=_foreign(names or KINDS))
    if any(result.outcome == "failed" for result in results):
        raise typer.Exit(1)


def _number(plans: Iterable[Plan]) -> int:
    return sum(len(plan.checks) for plan in plans)


def _foreign(names: Iterable[str]) -> int:
    """Return the number of other libraries' components in the kinds among these names."""
    kinds = {kind for name in names if (kind := kind_or_none(name)) in KINDS}
    return sum(component.foreign for kind in kinds for component in registry.components(kind))


def _subjects_of(name: str) -> tuple[dict[str, Subject], list[Result]]:
    """Return the component of that name, or every one of a kind that loads and a failure for each that does not.

    A kind is taken without other libraries' components. Components are returned by the text that finds each.
    """
    from chainrule.testing import Result

    kind = kind_or_none(name)
    if kind not in KINDS:
        return {name: _subject(name)}, []
    subjects, failures = {}, []
    for component in registry.components(kind):
        if registry.state(component) == "declared" and not component.foreign:
            try:
                subjects[component.key] = _subject(component.key)
            except BrokenComponentError as error:
                failures.append(Result(component.key, "can_be_loaded", "failed", str(error), 0.0, error))
    return subjects, failures


def _subject(name: str) -> Subject:
    from chainrule.cli.component_file import subject_named
    from chainrule.testing import checks_of

    found = subject_named(name, owner="check")
    if not checks_of(found.kind):
        raise ChainruleError(f"check: no checks for {found.label}; there are checks for {', '.join(KINDS)}.")
    return found


def _row(result: Result) -> dict[str, Any]:
    row = dataclasses.asdict(dataclasses.replace(result, error=None))
    del row["error"]
    return row | {"seconds": round(result.seconds, 4)}


def _print_checks(checks: list[Check], as_json: bool) -> None:
    from chainrule.testing.check import title

    rows = [
        {
            "check": check.name,
            "kinds": list(check.kinds),
            "description": check.description,
            "cause": check.cause,
            "origin": check.origin,
        }
        for check in checks
    ]
    if as_json:
        print_json(rows)
        return
    for check in checks:
        echo(styled(f"{title(check.name, check.origin)}  ({', '.join(check.kinds)})"))
        echo(f"    {check.description}")


def _shown(subject: Subject, results: Iterable[Result], *, table: bool) -> list[Result]:
    """Print a summary of the results, after one row for each if table is True, and return them."""
    from chainrule.testing.check import title

    done = []
    with _status(f"checking {subject.label}"):
        for result in results:
            done.append(result)
            if table and not sys.stdout.isatty():
                echo(
                    f"{result.outcome}\t{result.seconds:.2f} s\t{title(result.check, result.origin)}\t{_reason(result)}"
                )
    if table and sys.stdout.isatty():
        _print_table(done)
    counts = {outcome: sum(result.outcome == outcome for result in done) for outcome in COLOURS}
    seconds = sum(result.seconds for result in done)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    sign = styled("FAILED", colour="red") if counts["failed"] else styled("ok", colour="green")
    echo(f"{subject.label}: {sign}, {summary} in {seconds:.1f} s, by the kit of chainrule {done[0].version}")
    return done


def _status(text: str) -> AbstractContextManager[Any]:
    if not sys.stdout.isatty():
        return nullcontext()
    return console().status(text, spinner="line")


def _print_table(results: list[Result]) -> None:
    from rich.table import Table
    from rich.text import Text

    from chainrule.testing.check import title

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("check", "outcome", "seconds", "reason"):
        justify: Literal["left", "right"] = "right" if column == "seconds" else "left"
        table.add_column(column, justify=justify, ratio=1 if column == "reason" else None, overflow="fold")
    for result in results:
        outcome = Text(result.outcome, style=COLOURS[result.outcome])
        table.add_row(title(result.check, result.origin), outcome, f"{result.seconds:.2f}", _reason(result))
    console().print(table)


def _reason(result: Result) -> str:
    return "see below" if result.outcome == "failed" else result.detail


def _print_failures(results: list[Result], *, left_out: int, foreign: int) -> None:
    for result in results:
        if result.outcome == "failed":
            echo("")
            echo(styled(result.detail, colour="red"))
    ran = sum(result.outcome != "skipped" for result in results)
    failed = sum(result.outcome == "failed" for result in results)
    echo(f"\n{ran} check{'s' * (ran != 1)} ran, {failed} failed, {len(results) - ran} skipped with a reason.")
    if left_out:
        those, them = ("that compiles", "it") if left_out == 1 else ("that compile", "them")
        echo(f"{left_out} {those} left out; --compile runs {them}.")
    if foreign:
        echo(f"{foreign} of other libraries left out; name one to check it.")
