"""What the metadata of the installed packages tells: what cannot be used, does not fit, or is out of date."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from chainrule.cli.doctor.finding import Finding
from chainrule.errors import ChainruleError
from chainrule.registry.catalogue import Catalogue
from chainrule.registry.component import OWN_DISTRIBUTION, Component, canonical_distribution
from chainrule.registry.contract import API_GROUP
from chainrule.registry.discovery import GROUPS
from chainrule.registry.kinds import did_you_mean

_TOPICS = {"invalid": "name", "blocked": "blocked", "ambiguous": "collision"}


def catalogue_findings(catalogue: Catalogue) -> Iterator[Finding]:
    """Yield what cannot be read from the metadata, and every record that cannot be used by its bare name."""
    for problem in catalogue.problems:
        yield Finding("wrong", "metadata", "metadata", "", str(problem))
    if not any(
        component.distribution == OWN_DISTRIBUTION for found in catalogue.records.values() for component in found
    ):
        message = "chainrule must be installed for its own components to be declared, got none. pip install chainrule."
        yield Finding("wrong", "metadata", OWN_DISTRIBUTION, OWN_DISTRIBUTION, message)
    for found in catalogue.records.values():
        by_state = {catalogue.state(component): component for component in found}
        for state, component in by_state.items():
            if state in _TOPICS:
                name = component.name if state == "ambiguous" else component.full_name
                message = _refusal(catalogue, component.kind, name)
                level: Literal["wrong", "note"] = "note" if state == "blocked" else "wrong"
                yield Finding(level, _TOPICS[state], component.key, component.distribution, message)
    for component in catalogue.hooks:
        if catalogue.is_blocked(component):
            message = f"{component.full_name} is disabled, and with it what it contributes."
            yield Finding("note", "blocked", component.key, component.distribution, message)


def _refusal(catalogue: Catalogue, kind: str, name: str) -> str:
    try:
        catalogue.find(kind, name)
    except ChainruleError as refusal:
        return str(refusal)
    return ""


def requirement_findings(components: Iterable[Component], version: str) -> Iterator[Finding]:
    """Yield each requirement on chainrule that this version does not meet, and each extra that is not installed."""
    extras: dict[str, set[str]] = {}
    for component in components:
        point = metadata.EntryPoint(component.name, component.entry_point, "")
        extras.setdefault(component.distribution, set()).update(_extras(point))
    for name, wanted in sorted(extras.items()):
        for text in _requirements(name):
            try:
                requirement = Requirement(text)
            except InvalidRequirement as error:
                yield _requirement(
                    name, f'{name}: a requirement must be readable, got "{text}" ({error}). Tell its author.'
                )
                continue
            yield from _unmet(name, requirement, wanted, version)


def _extras(point: metadata.EntryPoint) -> list[str]:
    return point.extras if point.pattern.match(point.value) else []


def _requirements(name: str) -> list[str]:
    try:
        return metadata.distribution(name).requires or []
    except metadata.PackageNotFoundError:  # the record was contributed in the name of something not installed
        return []


def _unmet(name: str, requirement: Requirement, extras: set[str], version: str) -> Iterator[Finding]:
    marker = requirement.marker
    always = marker is None or marker.evaluate({"extra": ""})
    of_extras = [extra for extra in sorted(extras) if marker is not None and marker.evaluate({"extra": extra})]
    if canonical_distribution(requirement.name) == OWN_DISTRIBUTION:
        if (always or of_extras) and not requirement.specifier.contains(version, prereleases=True):
            fix = f'pip install "chainrule{requirement.specifier}", or another version of {name}.'
            yield _requirement(
                name, f"{name} requires chainrule{requirement.specifier}, got chainrule {version}. {fix}"
            )
    elif of_extras and not always and not _is_met(requirement):
        fix = f'pip install "{name}[{",".join(of_extras)}]".'
        yield _requirement(name, f"{name}: its entry points must find {requirement.name}, got none that fits. {fix}")


def _is_met(requirement: Requirement) -> bool:
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(Version(installed), prereleases=True)


def _requirement(name: str, message: str) -> Finding:
    return Finding("wrong", "requirement", name, name, message)


def distribution_findings() -> Iterator[Finding]:
    """Yield what is wrong with each distribution: groups that do not exist, hidden versions, sources that changed."""
    seen: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        try:
            name, declared = canonical_distribution(distribution.name), _declared(distribution)
        except Exception:  # noqa: BLE001, S112  # what cannot be read is among the catalogue's problems
            continue
        if name in seen:
            first = seen[name]
            if (declared or _declared(first)) and (declared, distribution.version) != (_declared(first), first.version):
                yield _shadowed(first, distribution)
            continue
        seen[name] = distribution
        yield from _misspelt(distribution)
        yield from _stale(distribution, declared)


def _declared(distribution: metadata.Distribution) -> set[tuple[str, str, str]]:
    return {(point.group, point.name, point.value) for point in distribution.entry_points if point.group in GROUPS}


def _misspelt(distribution: metadata.Distribution) -> Iterator[Finding]:
    groups = {point.group for point in distribution.entry_points if point.group.startswith("chainrule.")}
    for group in sorted(groups - {*GROUPS, API_GROUP}):
        name, hint = distribution.name, did_you_mean(group.removeprefix("chainrule."), GROUPS.values())
        message = (
            f'{name}: a group of entry points must be "chainrule." and one of {", ".join(GROUPS.values())}, '
            f'got "{group}".{hint} Rename it.'
        )
        yield Finding("wrong", "group", name, name, message)


def _shadowed(first: metadata.Distribution, second: metadata.Distribution) -> Finding:
    places = [f"{one.version} in {Path(str(one.locate_file('')))}" for one in (first, second)]
    message = f"{first.name} must be installed once, got {places[0]}, which hides {places[1]}. Uninstall one of them."
    return Finding("wrong", "shadowed", first.name, first.name, message)


def _stale(distribution: metadata.Distribution, declared: set[tuple[str, str, str]]) -> Iterator[Finding]:
    """Yield what is wrong with the folder of an editable installation, if it is one."""
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return
    name, folder = distribution.name, Path(url2pathname(urlsplit(origin["url"]).path))
    file = folder / "pyproject.toml"
    if declared and not folder.is_dir():
        message = f"{name}: the folder of an editable installation must exist, got none at {folder}. Install it anew."
        yield Finding("wrong", "stale", name, name, message)
    if not file.is_file():
        return
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError) as error:
        if declared:
            message = f"{name}: {file} must be readable, got {' '.join(str(error).split())}. Mend it."
            yield Finding("wrong", "stale", name, name, message)
        return
    if not project or "entry-points" in project.get("dynamic", ()):
        return
    written = {
        (group, point, address)
        for group, points in project.get("entry-points", {}).items()
        for point, address in points.items()
        if group in GROUPS
    }
    if written != declared:
        news = [f"{group.removeprefix('chainrule.')}:{point}" for group, point, _ in sorted(written ^ declared)]
        message = (
            f"{name}: the installed entry points must be those of {file}, got others for "
            f"{', '.join(dict.fromkeys(news))}. "
            f'Install it anew: pip install -e "{folder}".'
        )
        yield Finding("wrong", "stale", name, name, message)
