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
