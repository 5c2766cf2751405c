"""``chainrule doctor``: load everything that is installed, and report what is wrong."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from chainrule.arguments import number
from chainrule.cli.output import echo, print_json, styled
from chainrule.registry.distributions import installed_version


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    limit: Annotated[
        float, typer.Option(help="Seconds that one component's import may take; torch has its own 300.", min=0.1)
    ] = 60.0,
) -> None:
    """Load every installed component and report what is wrong; exit with 1 if anything is.

    Example: chainrule doctor
    """
    from chainrule.cli.doctor.examination import examine

    number("doctor", "--limit", limit, at_least=0.1)
    versions = {"python": platform.python_version(), "platform": platform.platform(), "executable": sys.executable}
    versions |= {
        name: installed_version(name) or "not installed" for name in ("chainrule", "torch", "pluggy", "typer", "rich")
    }
    findings, loaded, total = examine(limit)
    wrong = sum(finding.level == "wrong" for finding in findings)
    if as_json:
        report = {"versions": versions, "loaded": loaded, "total": total, "ok": not wrong}
        print_json({**report, "findings": [asdict(finding) for finding in findings]})
    else:
        echo("\n".join(f"{name:<12}{version}" for name, version in versions.items()))
        for finding in findings:
            heading = styled(finding.level, colour="red" if finding.level == "wrong" else "yellow")
            echo(f"\n{heading} {finding.topic} {finding.subject}\n  {finding.message}")
            for line in finding.traceback.splitlines():
                echo(f"    {line}")
        echo(f"\nLoaded {loaded} of {total}: {f'{wrong} wrong' if wrong else 'nothing is wrong'}.")
    if wrong:
        raise typer.Exit(1)
