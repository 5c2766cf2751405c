"""``chainrule doctor``: load everything that is installed, and say what is wrong."""

from __future__ import annotations

import dataclasses
import platform
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.output import print_json

if TYPE_CHECKING:
    from chainrule.cli.doctor.finding import Finding


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    limit: Annotated[
        float, typer.Option(help="Seconds that one component's import may take; torch has its own 300.", min=0.1)
    ] = 60.0,
) -> None:
    """Load every installed component and say what is wrong; exit with 1 if anything is.

    Example: chainrule doctor
    """
    from chainrule.cli.doctor.examination import examine

    versions = _versions()
    examination = examine(limit)
    wrong = [finding for finding in examination.findings if finding.level == "wrong"]
    if as_json:
        findings = [dataclasses.asdict(finding) for finding in examination.findings]
        record = {
            "versions": versions,
            "loaded": examination.loaded,
            "total": examination.total,
            "ok": not wrong,
            "findings": findings,
        }
        print_json(record)
    else:
        typer.echo("\n".join(f"{name:<12}{version}" for name, version in versions.items()))
        for finding in examination.findings:
            _print(finding)
        summary = f"{len(wrong)} wrong" if wrong else "nothing is wrong"
        typer.echo(f"\nLoaded {examination.loaded} of {examination.total}: {summary}.")
    if wrong:
        raise typer.Exit(1)


def _versions() -> dict[str, str]:
    from importlib import metadata

    versions = {"python": platform.python_version(), "platform": platform.platform(), "executable": sys.executable}
    for name in ("chainrule", "torch", "pluggy", "typer", "rich"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _print(finding: Finding) -> None:
    heading = typer.style(finding.level, fg="red" if finding.level == "wrong" else "yellow", bold=True)
    typer.echo(f"\n{heading} {finding.topic} {finding.subject}")
    typer.echo(f"  {finding.message}")
    for line in finding.traceback.splitlines():
        typer.echo(f"    {line}")
