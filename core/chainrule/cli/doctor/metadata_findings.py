"""What the metadata of the installed packages shows: what cannot be used, does not fit, or is out of date."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from chainrule.errors import ChainruleError, one_line
from chainrule.registry.catalogue import Catalogue
from chainrule.registry.component import OWN_DISTRIBUTION, Component, canonical_distribution
from chainrule.registry.contract import API, API_GROUP
from chainrule.registry.discovery import GROUPS
from chainrule.registry.kinds import did_you_mean

Points = set[tuple[str, str, str]]
"""Entry points in chainrule's groups, each as group, name and address."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or with level "note" merely good to know.

    Attributes:
        level: "wrong" or "note".
        topic: "blocked", "chainrule", "collision", "command", "component", "contract", "group", "hook", "metadata",
            "name", "requirement", "shadowed", "stale" or "torch".
        subject: what it is about: a component's key, or a distribution's name.
        package: the distribution that it comes from.
        message: one line that names the thing, the rule, the value and the fix.
        traceback: of the error, if there was one.
    """

    level: Literal["wrong", "note"]
    topic: str
    subject: str
    package: str
    message: str
    traceback: str = ""


def catalogue_findings(catalogue: Catalogue) -> Iterator[Finding]:
    """Yield what cannot be read from the metadata, and every record that cannot be used by its bare name."""
    records = [component for found in catalogue.records.values() for component in found]
    for problem in catalogue.problems:
        yield Finding("wrong", "metadata", "metadata", "", str(problem))
    if not any(component.distribution == OWN_DISTRIBUTION for component in records):
        message = "chainrule is not installed, so its own components are not declared: pip install chainrule."
        yield Finding("wrong", "metadata", OWN_DISTRIBUTION, OWN_DISTRIBUTION, message)
    topics = {"invalid": "name", "blocked": "blocked", "ambiguous": "collision"}
    seen = set()
    for component in records:
        state = catalogue.state(component)
        if state in topics and (component.key, state) not in seen:
            seen.add((component.key, state))
            name = component.name if state == "ambiguous" else component.full_name
            level: Literal["wrong", "note"] = "note" if state == "blocked" else "wrong"
            message = _refusal(catalogue, component.kind, name)
            yield Finding(level, topics[state], component.key, component.distribution, message)
    for hook in filter(catalogue.is_blocked, catalogue.hooks):
        message = f"{hook.full_name} is disabled, and with it what it contributes."
        yield Finding("note", "blocked", hook.key, hook.distribution, message)
    for name in sorted({each.distribution for each in (*records, *catalogue.hooks) if each.api is None}):
        message = f'{name} states no contract. Ask its author to add {API} = "chainrule:API" to the group {API_GROUP}.'
        yield Finding("note", "contract", name, name, message)


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
        found = point.extras if point.pattern.match(point.value) else ()
        extras.setdefault(component.distribution, set()).update(found)
    for name, wanted in sorted(extras.items()):
        try:
            texts = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:  # contributed in the name of something that is not installed
            continue
        for text in texts:
            for message in _unmet(name, text, sorted(wanted), version):
                yield Finding("wrong", "requirement", name, name, message)


def _unmet(name: str, text: str, extras: list[str], version: str) -> Iterator[str]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        yield f'{name}: a requirement must be readable, got "{text}" ({one_line(error)}). Tell its author.'
        return
    marker, specifier = requirement.marker, requirement.specifier
    always = marker is None or marker.evaluate({"extra": ""})
    of_extras = [extra for extra in extras if marker is not None and marker.evaluate({"extra": extra})]
    if canonical_distribution(requirement.name) == OWN_DISTRIBUTION:
        if (always or of_extras) and not specifier.contains(version, prereleases=True):
            fix = f'pip install "chainrule{specifier}", or another version of {name}.'
            yield f"{name} requires chainrule{specifier}, got chainrule {version}. {fix}"
    elif of_extras and not always and not _is_met(requirement):
        fix = f'pip install "{name}[{",".join(of_extras)}]".'
        yield f"{name}: its entry points need {requirement.name}{specifier}, which is not installed. {fix}"


def _is_met(requirement: Requirement) -> bool:
    try:
        installed = metadata.version(requirement.name)
        return requirement.specifier.contains(Version(installed), prereleases=True)
    except (metadata.PackageNotFoundError, InvalidVersion, TypeError):
        return False


def distribution_findings() -> Iterator[Finding]:
    """Yield what is wrong with each distribution: groups that do not exist, hidden versions, sources that changed."""
    seen: dict[str, tuple[metadata.Distribution, Points]] = {}
    for distribution in metadata.distributions():
        try:
            name, groups = distribution.name, {point.group for point in distribution.entry_points}
            declared = {(point.group, point.name, point.value) for point in distribution.entry_points}
            points = {point for point in declared if point[0] in GROUPS}
            key = canonical_distribution(name)
        except Exception:  # noqa: BLE001, S112  # what cannot be read is among the catalogue's problems
            continue
        if key in seen:
            first, hidden_by = seen[key]
            if (points or hidden_by) and (points, distribution.version) != (hidden_by, first.version):
                yield Finding("wrong", "shadowed", first.name, first.name, _shadowed(first, distribution))
            continue
        seen[key] = distribution, points
        for group in sorted(groups - {*GROUPS, API_GROUP}):
            if group.startswith("chainrule."):
                hint = did_you_mean(group.removeprefix("chainrule."), GROUPS.values())
                message = (
                    f'{name}: a group of entry points must be "chainrule." and one of {", ".join(GROUPS.values())}, '
                    f'got "{group}".{hint} Rename it.'
                )
                yield Finding("wrong", "group", name, name, message)
        if stale := _stale(distribution, points):
            yield Finding("wrong", "stale", name, name, stale)


def _shadowed(first: metadata.Distribution, second: metadata.Distribution) -> str:
    places = [f"{one.version} in {Path(str(one.locate_file('')))}" for one in (first, second)]
    return f"{first.name} must be installed once, got {places[0]}, which hides {places[1]}. Uninstall one of them."


def _stale(distribution: metadata.Distribution, declared: Points) -> str | None:
    """Return what is wrong with the folder of an editable install that declares or should declare components."""
    name, folder = distribution.name, _editable_folder(distribution)
    if folder is None:
        return None
    if not folder.is_dir():
        return f"{name}: no such folder for its editable install: {folder}. Reinstall it." if declared else None
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return f"{name}: {file} must be readable, got {one_line(error)}. Correct it." if declared else None
    written = _written(project)
    if written is None or written == declared:
        return None
    changed = dict.fromkeys(
        f"{group.removeprefix('chainrule.')}:{point}" for group, point, _ in sorted(written ^ declared)
    )
    return (
        f"{name}: the installed entry points must be those of {file}, got others for {', '.join(changed)}. "
        f'Install it anew: pip install -e "{folder}".'
    )


def _editable_folder(distribution: metadata.Distribution) -> Path | None:
    """Return the source folder of an editable install; None for any other, or where nothing reliable says so."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        return Path(url2pathname(urlsplit(origin["url"]).path)) if origin["dir_info"]["editable"] else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _written(project: dict[str, Any]) -> Points | None:
    """Return the entry points in a pyproject.toml, the standard's or poetry's; None if they are declared elsewhere."""
    standard, poetry = project.get("project"), project.get("tool", {}).get("poetry", {})
    if "plugins" in poetry:
        groups = poetry["plugins"]
    elif standard and "entry-points" not in standard.get("dynamic", ()):
        groups = standard.get("entry-points", {})
    else:
        return None
    return {
        (group, name, address)
        for group, points in groups.items()
        if group in GROUPS
        for name, address in points.items()
    }
