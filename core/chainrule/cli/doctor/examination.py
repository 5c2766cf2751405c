"""The whole examination: what the metadata tells, and how loading everything goes."""

from __future__ import annotations

from dataclasses import dataclass

import chainrule
from chainrule.cli.doctor.finding import Finding
from chainrule.cli.doctor.installation import catalogue_findings, distribution_findings, requirement_findings
from chainrule.cli.doctor.loading import load_each
from chainrule.cli.doctor.worker import Outcome
from chainrule.registry.catalogue import Catalogue
from chainrule.registry.component import Component
from chainrule.registry.kinds import COMMANDS, HOOKS

_UNUSABLE = ("invalid", "blocked")


@dataclass
class Examination:
    """What was found, and how many of how many components, commands and hooks could be loaded."""

    findings: list[Finding]
    loaded: int
    total: int


def examine(limit: float) -> Examination:
    """Read all metadata and load all that can be used, each component within limit seconds."""
    findings: list[Finding] = []
    results: list[tuple[Component | str, Outcome]] = []
    catalogue = Catalogue(contributed=())
    hooks = [hook for hook in catalogue.hooks if not catalogue.is_blocked(hook)]
    results += load_each([*hooks, *_usable(catalogue)], limit)
    contributed = [record for _, outcome in results for record in outcome.contributed]
    if contributed:
        catalogue = Catalogue(contributed=contributed)
        results += load_each([component for component in _usable(catalogue) if component in contributed], limit)
    findings += catalogue_findings(catalogue)
    everything = [component for found in catalogue.records.values() for component in found]
    findings += requirement_findings([*everything, *catalogue.hooks], chainrule.__version__)
    findings += distribution_findings()
    findings += (_finding(thing, outcome) for thing, outcome in results if outcome.problem)
    outcomes = [outcome for thing, outcome in results if isinstance(thing, Component)]
    return Examination(findings, sum(not outcome.problem for outcome in outcomes), len(outcomes))


def _usable(catalogue: Catalogue) -> list[Component]:
    everything = (component for found in catalogue.records.values() for component in found)
    return [component for component in everything if catalogue.state(component) not in _UNUSABLE]


def _finding(thing: Component | str, outcome: Outcome) -> Finding:
    if isinstance(thing, str):
        package = thing.partition(".")[0]
        message = f"{thing} cannot be imported: {outcome.problem.rstrip('.')}. Reinstall {package}."
        return Finding("wrong", package, thing, package, message, outcome.traceback)
    topic = {HOOKS: "hook", COMMANDS: "command"}.get(thing.kind, "component")
    message, owner = outcome.problem, thing.distribution
    if thing.key not in message:
        message = (
            f"{thing.key} ({thing.entry_point}) of {owner} {thing.version} cannot be loaded: {message.rstrip('.')}. "
            f"Mend or reinstall {owner}; until then CHAINRULE_DISABLE=dist:{owner} leaves it out."
        )
    return Finding("wrong", topic, thing.key, owner, message, outcome.traceback)
