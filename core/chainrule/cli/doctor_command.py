"""``chainrule doctor``: load everything that is installed, and report what is wrong."""

from __future__ import annotations

import dataclasses
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.output import print_json

if TYPE_CHECKING:
    from chainrule.cli.doctor.loading import Outcome
    from chainrule.cli.doctor.metadata_findings import Finding
    from chainrule.registry.component import Component

UNUSABLE = ("invalid", "blocked")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    limit: Annotated[
        float, typer.Option(help="Seconds that one component's import may take; torch has its own 300.", min=0.1)
    ] = 60.0,
) -> None:
    """Load every installed component and report what is wrong; exit with 1 if anything is.

    Example: chainrule doctor
    """
    versions = {"python": platform.python_version(), "platform": platform.platform(), "executable": sys.executable}
    versions |= {name: _version(name) for name in ("chainrule", "torch", "pluggy", "typer", "rich")}
    findings, loaded, total = _examine(limit)
    wrong = [finding for finding in findings if finding.level == "wrong"]
    if as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        print_json({"versions": versions, "loaded": loaded, "total": total, "ok": not wrong, "findings": rows})
    else:
        typer.echo("\n".join(f"{name:<12}{version}" for name, version in versions.items()))
        for finding in findings:
            heading = typer.style(finding.level, fg="red" if finding.level == "wrong" else "yellow", bold=True)
            typer.echo(f"\n{heading} {finding.topic} {finding.subject}\n  {finding.message}")
            for line in finding.traceback.splitlines():
                typer.echo(f"    {line}")
        summary = f"{len(wrong)} wrong" if wrong else "nothing is wrong"
        typer.echo(f"\nLoaded {loaded} of {total}: {summary}.")
    if wrong:
        raise typer.Exit(1)


def _version(name: str) -> str:
    try:
        return str(metadata.version(name))
    except metadata.PackageNotFoundError:
        return "not installed"


def _examine(limit: float) -> tuple[list[Finding], int, int]:
    """Return what was found, and how many of how many components, commands and hooks could be loaded."""
    import chainrule
    from chainrule.cli.doctor import metadata_findings
    from chainrule.cli.doctor.loading import load_each
    from chainrule.registry.catalogue import Catalogue
    from chainrule.registry.component import Component

    def usable(catalogue: Catalogue) -> list[Component]:
        records = [component for found in catalogue.records.values() for component in found]
        return [component for component in records if catalogue.state(component) not in UNUSABLE]

    catalogue = Catalogue(contributed=())
    hooks = [hook for hook in catalogue.hooks if not catalogue.is_blocked(hook)]
    results = list(load_each([*hooks, *usable(catalogue)], limit))
    contributed = [Component(**record) for _, outcome in results for record in outcome.contributed]
    if contributed:
        catalogue = Catalogue(contributed=contributed)
        results += load_each([component for component in usable(catalogue) if component in contributed], limit)
    everything = [*(component for found in catalogue.records.values() for component in found), *catalogue.hooks]
    findings = [
        *metadata_findings.catalogue_findings(catalogue),
        *metadata_findings.requirement_findings(everything, chainrule.__version__),
        *metadata_findings.distribution_findings(),
        *(_loading_finding(thing, outcome) for thing, outcome in results if outcome.problem),
    ]
    outcomes = [outcome for thing, outcome in results if not isinstance(thing, str)]
    return findings, sum(not outcome.problem for outcome in outcomes), len(outcomes)


def _loading_finding(thing: Component | str, outcome: Outcome) -> Finding:
    from chainrule.cli.doctor.metadata_findings import Finding
    from chainrule.registry.kinds import COMMANDS, HOOKS

    if isinstance(thing, str):
        package = thing.partition(".")[0]
        message = f"{thing} cannot be imported: {outcome.problem.rstrip('.')}. Reinstall {package}."
        return Finding("wrong", package, thing, package, message, outcome.traceback)
    topic = {HOOKS: "hook", COMMANDS: "command"}.get(thing.kind, "component")
    message, owner = outcome.problem, thing.distribution
    if thing.key not in message:
        message = (
            f"{thing.key} ({thing.entry_point}) of {owner} {thing.version} cannot be loaded: {message.rstrip('.')}. "
            f"Fix or reinstall {owner}; until then CHAINRULE_DISABLE=dist:{owner} leaves it out."
        )
    return Finding("wrong", topic, thing.key, owner, message, outcome.traceback)
