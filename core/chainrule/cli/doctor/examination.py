"""The examination of an installation: its metadata, and the loading of everything that it declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chainrule.cli.doctor import Finding
from chainrule.cli.doctor.distributions import distribution_findings
from chainrule.cli.doctor.loading import MODULES, Outcome, load_each
from chainrule.cli.surroundings import lack
from chainrule.errors import ChainruleError
from chainrule.registry.catalogue import Catalogue
from chainrule.registry.component import Component
from chainrule.registry.contract import API, API_GROUP
from chainrule.registry.kinds import COMMANDS, HOOKS, OUT_OF_SCOPE

TOPICS = {"invalid": "name", "blocked": "blocked", "ambiguous": "collision"}


def examine(limit: float) -> tuple[list[Finding], int, int]:
    """Return the findings, and how many of how many entry points could be loaded: none where nothing can be tried."""
    if missing := lack():
        return [Finding("wrong", "surroundings", "chainrule", "", missing)], 0, 0
    catalogue = Catalogue()
    others = [other for other in (*catalogue.hooks, *catalogue.out_of_scope) if not catalogue.is_blocked(other)]
    results = list(load_each([*others, *_usable(catalogue)], limit))
    contributed = [Component(**record) for _, outcome in results for record in outcome.contributed]
    if contributed:
        catalogue = Catalogue(contributed)
        results += load_each([component for component in _usable(catalogue) if component in contributed], limit)
    findings = [
        *_catalogue_findings(catalogue),
        *distribution_findings(contributed),
        *(_loading_finding(component, outcome, catalogue) for component, outcome in results if outcome.problem),
    ]
    outcomes = [outcome for component, outcome in results if component.kind != MODULES]
    return findings, sum(not outcome.problem for outcome in outcomes), len(outcomes)


def _records(catalogue: Catalogue) -> list[Component]:
    return [component for found in catalogue.records.values() for component in found]


def _usable(catalogue: Catalogue) -> list[Component]:
    return [component for component in _records(catalogue) if catalogue.state(component) in ("declared", "ambiguous")]


def _catalogue_findings(catalogue: Catalogue) -> Iterator[Finding]:
    """Yield metadata that cannot be read, records without a usable bare name, and packages that state no contract."""
    for problem in catalogue.problems:
        yield Finding("wrong", "metadata", "metadata", "", str(problem))
    refused: dict[str, Finding] = {}
    for component in _records(catalogue):
        state = catalogue.state(component)
        try:
            catalogue.find(component.kind, component.name if state == "ambiguous" else component.full_name)
        except ChainruleError as error:
            finding = Finding("wrong", TOPICS[state], component.key, component.distribution, str(error))
            refused.setdefault(str(error), replace(finding, level="note") if state == "blocked" else finding)
    yield from refused.values()
    for hook in filter(catalogue.is_blocked, catalogue.hooks):
        message = f"{hook.full_name} is disabled, and with it what it contributes."
        yield Finding("note", "blocked", hook.key, hook.distribution, message)
    everything = (*_records(catalogue), *catalogue.hooks, *catalogue.out_of_scope)
    for name in sorted({each.distribution for each in everything if each.api is None}):
        message = f'{name} states no contract. Ask its author to add {API} = "chainrule:API" to the group {API_GROUP}.'
        yield Finding("note", "contract", name, name, message)


def _loading_finding(component: Component, outcome: Outcome, catalogue: Catalogue) -> Finding:
    key, owner, problem = component.key, component.distribution, outcome.problem.rstrip(".")
    if component.kind == MODULES:
        owner = component.name.partition(".")[0]
        # torch reads the entry points of all packages when it is imported.
        fix = "Mend the metadata named above first." if catalogue.problems else f"Reinstall {owner}."
        message = f"{component.name} cannot be imported: {problem}. {fix}"
        return Finding("wrong", owner, component.name, owner, message, outcome.traceback)
    what = f"{key} ({component.entry_point}) of {owner} {component.version} cannot be loaded"
    fix = f"Fix or reinstall {owner}; until then CHAINRULE_DISABLE={key} leaves it out."
    message = outcome.problem if key in problem else f"{what}: {problem}. {fix}"
    topic = {HOOKS: "hook", COMMANDS: "command", OUT_OF_SCOPE: "scope"}.get(component.kind, "component")
    return Finding("note" if outcome.is_of_another else "wrong", topic, key, owner, message, outcome.traceback)
