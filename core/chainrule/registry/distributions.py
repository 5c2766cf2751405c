"""Installed distributions by the Name in their metadata; importlib.metadata goes by the names of their folders."""

from __future__ import annotations

import email
import sys
from collections.abc import Iterable
from email.message import Message
from importlib import metadata
from pathlib import PurePath
from typing import cast

from chainrule.registry.component import canonical_distribution


def distributions() -> list[metadata.Distribution]:
    """Return what is installed in the folders from which Python imports: entries other than text are not among them."""
    return list(metadata.distributions(path=[entry for entry in sys.path if isinstance(entry, str)]))


def folder_of(distribution: metadata.Distribution) -> PurePath:
    """Return the folder, or the file, that holds the metadata; one without parts if the finder has none."""
    return PurePath(str(getattr(distribution, "_path", "")))


def fields_of(distribution: metadata.Distribution) -> Message:
    """Return the metadata, with a replacement character for each byte that is not UTF-8; none if there is no file."""
    try:
        return cast("Message", distribution.metadata)
    except UnicodeDecodeError as error:
        return email.message_from_string(error.object.decode(errors="replace"))
    except OSError:  # of a disk, or of links that lead nowhere
        return Message()


def name_of(distribution: metadata.Distribution) -> str:
    """Return the Name in the metadata, or an empty string if there is none."""
    return str(fields_of(distribution).get("Name") or "").strip()


def version_of(distribution: metadata.Distribution) -> str:
    """Return the Version in the metadata, or an empty string if there is none."""
    return str(fields_of(distribution).get("Version") or "").strip()


def licence_of(distribution: metadata.Distribution) -> str:
    """Return the licence that the metadata states, in a field or by classifiers, or an empty string."""
    fields = fields_of(distribution)
    line = str(fields.get("License") or "").strip().partition("\n")[0]
    classifiers = [str(each).split("::") for each in fields.get_all("Classifier") or ()]
    classified = ", ".join(each[-1].strip() for each in classifiers if each[0].strip() == "License")
    return str(fields.get("License-Expression") or line.removeprefix("UNKNOWN") or classified)


def is_set_aside(distribution: metadata.Distribution) -> bool:
    """Return whether pip has renamed the folder to uninstall it: ``~hainrule_lion-1.0.dist-info``."""
    return folder_of(distribution).name.startswith("~")


def first_named(name: str, among: Iterable[metadata.Distribution]) -> metadata.Distribution | None:
    """Return the first distribution with this canonical name, or None; only folders of such names are read."""
    for distribution in among:
        folder = canonical_distribution(folder_of(distribution).name)
        may_be = not folder or folder.startswith(name)
        if may_be and not is_set_aside(distribution) and canonical_distribution(name_of(distribution)) == name:
            return distribution
    return None


def installed_version(name: str) -> str | None:
    """Return the version of a distribution, "unknown" if its metadata has none, or None if it is not installed."""
    found = first_named(canonical_distribution(name), distributions())
    return None if found is None else version_of(found) or "unknown"


def owner_of(module: str) -> metadata.Distribution | None:
    """Return the distribution that an imported module is from, or None if no metadata names it or a package around it.

    A file in a distribution's record counts before its entry points and top-level names, which is all that an editable
    install states. A namespace package belongs to no distribution, since others may share it.
    """
    modules = {name: sys.modules.get(name) for name in _with_packages(module)}
    around = [(name, file) for name, found in modules.items() if (file := getattr(found, "__file__", None))]
    installed = [each for each in distributions() if not is_set_aside(each)]
    for states in (_files_of, _modules_of):
        stated = [(each, states(each, around)) for each in installed] if around else []
        for place in around:
            for each, known in stated:
                if not known.isdisjoint(place) and name_of(each):
                    return each
    return None


def _files_of(distribution: metadata.Distribution, around: Iterable[tuple[str, str]]) -> set[str]:
    """Return those of the files that stand in a distribution's record; parsing all of it would take long."""
    try:
        folder, record = str(distribution.locate_file("")), f"\n{distribution.read_text('RECORD') or ''}"
    except (OSError, ValueError):  # a faulty distribution must not hide the others
        return set()
    inside = [file for _, file in around if PurePath(file).is_relative_to(folder)]
    return {file for file in inside if f"\n{PurePath(file).relative_to(folder).as_posix()}," in record}


def _modules_of(distribution: metadata.Distribution, _: Iterable[tuple[str, str]]) -> set[str]:
    """Return the top-level names of a distribution, and the modules of its entry points with the packages around."""
    try:
        modules = [point.value.partition(":")[0].partition("[")[0].strip() for point in distribution.entry_points]
        top_level = (distribution.read_text("top_level.txt") or "").split()
    except Exception:  # noqa: BLE001  # a faulty distribution must not hide the others
        return set()
    return {*top_level, *(name for each in modules for name in _with_packages(each))}


def _with_packages(module: str) -> list[str]:
    """Return the name of a module and those of the packages around it, innermost first."""
    return [module[:end] for end in range(len(module), 0, -1) if module[end : end + 1] in ("", ".")]
