"""Hints for unknown names: the nearest names, and how to install or declare one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainrule.errors import ChainruleError, UnknownComponentError
from chainrule.registry.component import OWN_DISTRIBUTION, Component, is_valid_name
from chainrule.registry.kinds import COMMANDS, KINDS, did_you_mean, singular
from chainrule.registry.source_files import is_file, source_file


def unknown_component(
    kind: str | None,
    name: str,
    records: Mapping[str, Sequence[Component]],
    problems: Sequence[ChainruleError],
    reasons: Sequence[str] = (),
) -> UnknownComponentError:
    """Return the error for an unknown name, with the most useful hint first: the reasons for its absence, if any."""
    everything = [component for found in records.values() for component in found]
    of_kind = [
        component for component in everything if component.kind == kind or (kind is None and component.kind in KINDS)
    ]
    what = "component" if kind is None else singular(kind)
    unknown = f'No {what} is registered as "{name}".'
    if reasons:
        return UnknownComponentError(" ".join([unknown, *reasons, *(f"Also: {problem}" for problem in problems)]))
    hints = [unknown + did_you_mean(name, [component.name for component in of_kind])]
    bare = name.rpartition(":")[2]
    where = _elsewhere(bare, kind, everything) or _undeclared(bare, of_kind)
    hints += where
    if not any(component.distribution == OWN_DISTRIBUTION for component in everything):
        hints.append(
            "chainrule itself is not installed, so its own components are not declared: pip install chainrule."
        )
    hints.append(f"Installed: chainrule list{f' {kind}' if kind else ''}.")
    if kind and bare.isidentifier() and name.removesuffix(bare).rstrip(":").endswith(".py"):
        hints.append(
            f'Import {bare} from that file and write chainrule.register("{kind}", "my_{bare.lower()}", {bare}).'
        )
    elif not where and is_valid_name(bare):
        group = kind or "KIND"
        hints.append(
            f'To add it, install a package that declares it and restart Python, write {bare} = "module:Class" under '
            f'[project.entry-points."chainrule.{group}"] in yours, or call chainrule.register("{group}", "{bare}", …).'
        )
    hints += [f"Also: {problem}" for problem in problems]
    return UnknownComponentError(" ".join(hints))


def _elsewhere(name: str, kind: str | None, everything: Iterable[Component]) -> list[str]:
    """Return hints that the name exists in another kind, in another distribution, or as a command."""
    named = [component for component in everything if component.name == name]
    same = [component for component in named if component.kind in KINDS]
    owners = [component.full_name for component in same if component.kind == kind]
    if owners:
        return [f"It is registered as {' and '.join(owners)}."]
    kinds = dict.fromkeys(component.kind for component in same)
    hints = [f"It is one of the {other}: from chainrule.{other} import {name}." for other in kinds]
    if not hints and any(component.kind == COMMANDS for component in named):
        hints = [f"It is a command: chainrule {name} --help."]
    return hints


def _undeclared(name: str, of_kind: Iterable[Component]) -> list[str]:
    """Return a hint that a file of that name exists beside the kind's components, undeclared by its package."""
    for component in of_kind if name.isidentifier() else ():
        file = source_file(component)
        if file is not None and file.stem == component.name and is_file(sibling := file.with_name(f"{name}.py")):
            owner = component.distribution
            return [f"{sibling} exists, but the installed metadata of {owner} does not declare it: reinstall {owner}."]
    return []
