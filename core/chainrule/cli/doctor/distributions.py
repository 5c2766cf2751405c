"""Findings in the metadata of installed distributions: what hides, contradicts or outdates their entry points."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from chainrule.cli.doctor import Finding
from chainrule.errors import one_line
from chainrule.registry.component import OWN_DISTRIBUTION, Component, canonical_distribution
from chainrule.registry.contract import API_GROUP
from chainrule.registry.discovery import GROUPS
from chainrule.registry.distributions import distributions, fields_of, folder_of, is_set_aside, name_of, version_of
from chainrule.registry.kinds import did_you_mean

Points: TypeAlias = set[tuple[str, str, str]]
"""The entry points in groups of chainrule, each as group, name, and address without spaces."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""The errors of files, and of odd content."""


class Installed:
    """The metadata in one folder, as far as it can be read.

    Attributes:
        name: the one in the metadata; empty if there is none.
        key: the canonical name of the package.
        found_as: the canonical name by which Python finds the folder, which is up to the first hyphen of its own.
    """

    def __init__(self, distribution: metadata.Distribution) -> None:
        self.distribution, self.folder = distribution, Path(folder_of(distribution))
        self.name, self.version = name_of(distribution), version_of(distribution)
        self.requires = [str(requirement) for requirement in fields_of(distribution).get_all("Requires-Dist") or ()]
        self.points = Points()
        try:
            self.points = _points((point.group, point.name, point.value) for point in distribution.entry_points)
            self.requires = self.requires or distribution.requires or []  # an egg-info has them in a file of their own
        except Exception:  # noqa: BLE001, S110  # a problem of the catalogue if components may be declared there
            pass
        by_folder = self.folder.stem.partition("-")[0] if self.folder.suffix in (".dist-info", ".egg-info") else ""
        self.key = canonical_distribution(self.name or by_folder)
        self.found_as = canonical_distribution(by_folder or self.name)

    def finding(self, topic: str, message: str, level: Literal["wrong", "note"] = "wrong") -> Finding:
        """Return a finding about this distribution."""
        owner = self.name or self.key
        return Finding(level, topic, owner, owner, message)


def distribution_findings(contributed: Iterable[Component]) -> Iterator[Finding]:
    """Yield what is wrong with the metadata of each distribution that declares components, or that hides one."""
    everything = [Installed(distribution) for distribution in distributions()]
    concerned = {each.key for each in everything if each.points}
    installed: dict[str, Installed] = {}
    for each in everything:
        if each.name and not is_set_aside(each.distribution):
            first = installed.setdefault(each.key, each)
            if (
                each.key == each.found_as
                and each.key in concerned
                and ((each.points, each.version) != (first.points, first.version) or _hides_edits(first, each))
            ):
                places = [f"{one.version or 'no version'} in {one.folder}" for one in (first, each)]
                message = f"{each.name} must be installed once, got {places[0]}, which hides {places[1]}."
                yield each.finding("shadowed", f"{message} Uninstall both and install one again.")
        declares = not concerned.isdisjoint((each.key, each.found_as)) or each.found_as.startswith(
            f"{OWN_DISTRIBUTION}-"
        )
        if declares and (not each.name or each.key != each.found_as):
            content = f"that of {each.name}" if each.name else "none that can be read"
            message = f"{each.folder} must hold the metadata of {each.found_as}, got {content}."
            yield each.finding("metadata", f"{message} Delete it and reinstall {each.key}.")
        file = each.folder / "entry_points.txt"
        if os.path.lexists(file) and not (file.is_file() and os.access(file, os.R_OK)):
            yield each.finding("metadata", f"{file} must be a file that can be read. Reinstall {each.key}.")
    if OWN_DISTRIBUTION not in concerned:
        message = "chainrule is not installed, so its own components are not declared: pip install chainrule."
        yield Finding("wrong", "metadata", OWN_DISTRIBUTION, OWN_DISTRIBUTION, message)
    for each in installed.values():
        for group in sorted({group for group, _, _ in each.points} - {*GROUPS, API_GROUP}):
            hint = did_you_mean(group.removeprefix("chainrule."), GROUPS.values())
            rule = f'must be "chainrule." and one of {", ".join(GROUPS.values())}, got "{group}"'
            yield each.finding("group", f"{each.name}: a group of entry points {rule}.{hint} Rename it.")
        if each.points and _version(each) is None:
            message = f'{each.name}: the version must follow PEP 440, got "{each.version}".'
            yield each.finding("metadata", f"{message} Reinstall it or tell its author.", "note")
        addresses = [address for _, _, address in each.points]
        addresses += [component.entry_point for component in contributed if component.distribution == each.name]
        if addresses:
            yield from (each.finding("requirement", message) for message in _unmet(each, addresses, installed))
        yield from _source_findings(each)


def _points(found: Iterable[tuple[str, str, str]]) -> Points:
    return {
        (group, name, "".join(value.split())) for group, name, value in found if group.partition(".")[0] == "chainrule"
    }


def _version(each: Installed) -> Version | None:
    try:
        return Version(each.version)
    except InvalidVersion:
        return None


def _unmet(each: Installed, addresses: Iterable[str], installed: Mapping[str, Installed]) -> Iterator[str]:
    """Yield a message for each requirement, on chainrule or of the extras in the addresses, that is not met."""
    extras = {extra for address in addresses for extra in address.partition("[")[2].rstrip("]").split(",") if extra}
    for text in each.requires:
        try:
            requirement = Requirement(text)
            marker, required = requirement.marker, f"{requirement.name}{requirement.specifier}"
            always = marker is None or marker.evaluate({"extra": ""})
            wanted = [extra for extra in sorted(extras) if marker is not None and marker.evaluate({"extra": extra})]
        except ValueError as error:
            yield f'{each.name}: a requirement must be readable, got "{text}" ({one_line(error)}). Tell its author.'
            continue
        found = installed.get(canonical_distribution(requirement.name))
        version = _version(found) if found else None
        met = found and (version is None or requirement.specifier.contains(version, prereleases=True))
        if found and found.key == OWN_DISTRIBUTION and (always or wanted) and not met:
            fix = f'pip install "{required}", or another version of {each.name}.'
            yield f"{each.name} requires {required}, got chainrule {version}. {fix}"
        elif wanted and not always and not met:
            fix = f'pip install "{each.name}[{",".join(wanted)}]".'
            yield f"{each.name}: its entry points need {required}, which is not installed. {fix}"


def _source_findings(each: Installed) -> Iterator[Finding]:
    """Yield a finding if an editable install is out of date, or cannot be compared with its source."""
    name, file = each.name, each.folder / "direct_url.json"
    try:
        folder = _editable_folder(each.distribution.read_text(file.name))
        if folder is None:
            return
        file = folder / "pyproject.toml"
        gone = not folder.is_dir()
        written = _written(tomllib.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None
    except UNREADABLE as error:
        if each.points:
            message = f"{name}: {file} must be readable, got {one_line(error)}. Correct it or reinstall {name}."
            note = file.parent == each.folder
            yield each.finding("metadata", message, "note") if note else each.finding("stale", message)
        return
    if gone and each.points:
        fix = f"Install {name} from where it is now, or uninstall it."
        yield each.finding("stale", f"{name}: no such folder for its editable install: {folder}. {fix}")
    elif written is not None and written != each.points:
        points = sorted(written ^ each.points)
        changed = ", ".join(dict.fromkeys(f"{group.removeprefix('chainrule.')}:{point}" for group, point, _ in points))
        rule = f"the installed entry points must be those of {file}, got others for {changed}"
        yield each.finding("stale", f'{name}: {rule}. Install it anew: pip install -e "{folder}".')


def _hides_edits(first: Installed, each: Installed) -> bool:
    """Return whether an editable install is hidden by what is not its source, so that edits have no effect."""
    try:
        own, other = (_editable_folder(one.distribution.read_text("direct_url.json")) for one in (each, first))
    except UNREADABLE:  # of which there is a finding
        return False
    if own is None or (other is not None and own.resolve() == other.resolve()):
        return False
    place, source = first.folder.parent.resolve(), own.resolve()
    is_source = place.is_relative_to(source) and not place.match("*-packages")
    return not is_source


def _editable_folder(record: str | None) -> Path | None:
    """Return the source folder in a direct_url.json (PEP 610), or None where the install is not editable."""
    origin: dict[str, Any] = json.loads(record) if record is not None else {"url": ""}
    url = urlsplit(origin["url"])
    editable = origin.get("dir_info", {}).get("editable") and url.scheme == "file"
    return Path(url2pathname(url.path)) if editable else None


def _written(project: dict[str, Any]) -> Points | None:
    """Return the entry points in a pyproject.toml, standard or poetry's; None if they are declared elsewhere.

    Raises:
        ValueError: if a group lacks its quotes, so that TOML takes it for a table inside another.
    """
    standard, backend = project.get("project", {}), project.get("build-system", {}).get("build-backend", "poetry")
    poetry = project.get("tool", {}).get("poetry", {}) if "poetry" in backend else {}
    groups = standard.get("entry-points") or poetry.get("plugins")
    if groups is None and ("entry-points" in standard.get("dynamic", ()) or not (standard or poetry)):
        return None
    for part, inside in (groups or {}).get(OWN_DISTRIBUTION, {}).items():
        if isinstance(inside, dict):
            raise ValueError(f'a group of entry points without quotes: write "{OWN_DISTRIBUTION}.{part}"')
    return _points((group, *point) for group, points in (groups or {}).items() for point in points.items())
