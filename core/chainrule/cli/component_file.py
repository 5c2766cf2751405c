"""A component in a file outside any installed package: ``FILE.py:Class``, or ``KIND:FILE.py:Class``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from functools import reduce
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType, UnionType
from typing import Any, NamedTuple

from chainrule.arguments import FOREIGN, nearest
from chainrule.cli.paths import expanded
from chainrule.errors import ChainruleError, UnknownComponentError, one_line
from chainrule.registry.kinds import kind_or_none, kinds_of_class
from chainrule.registry.source_files import is_file
from chainrule.testing import Subject, subject
from chainrule.testing.module_file import import_file


class InFile(NamedTuple):
    """What stands at an address such as FILE.py:Class.

    Attributes:
        kind: its kind, if the address begins with one.
        path: the file, as the address has it.
        name: its name there.
        value: it.
    """

    kind: str | None
    path: str
    name: str
    value: Any


def subject_named(name: str, *, owner: str) -> Subject:
    """Return the component of a registered name, or at an address FILE.py:Class; the owner begins messages.

    Raises:
        ChainruleError: if there is none.
    """
    try:
        return subject_in_file(name, owner=owner) or subject(name)
    except UnknownComponentError:
        refuse_file(name, owner=owner)
        raise


def subject_in_file(text: str, *, owner: str = "check") -> Subject | None:
    """Return the component at an address such as FILE.py:Class, or None if the text names no file.

    Raises:
        ChainruleError: if the file cannot be imported, or has no such component.
    """
    found = object_in_file(text, owner=owner)
    return None if found is None else subject_of(found, owner=owner)


def subject_of(found: InFile, *, owner: str) -> Subject:
    """Return the component that stands in a file, or raise ChainruleError if it is none."""
    if not callable(found.value):
        raise ChainruleError(
            f"{owner}: {found.name} in {found.path} must be a class or a function that returns a component, "
            f"got {found.value!r}. Name one."
        )
    return subject(found.value, kind=found.kind)


def object_in_file(
    text: str,
    *,
    owner: str,
    wanted: type | UnionType = type,
    called: str = "Class",
    kinds: Collection[str] = (),
) -> InFile | None:
    """Return what stands at an address such as FILE.py:Class, or None if the text names no file.

    Args:
        text: the address.
        owner: what begins messages.
        wanted: the type of the values that messages offer.
        called: what messages call them.
        kinds: those of the classes that messages offer, if not all, where the text begins with none.

    Raises:
        ChainruleError: if the file cannot be imported, or has nothing of that name.
    """
    text = text.replace("::", ":")  # as pytest writes it
    first, _, rest = text.partition(":")
    kind = kind_or_none(first) if rest else None
    address = rest if kind is not None else text
    path, _, name = (address, "", "") if address.endswith(".py") else address.rpartition(":")
    if not path.endswith(".py"):
        return None
    file = expanded(owner, Path(path))
    if not is_file(file):
        raise ChainruleError(f"{owner}: no such file: {path}.")
    module = _imported(owner, file)
    with suppress(AttributeError):
        if name:
            return InFile(kind, path, name, reduce(getattr, name.split("."), module))
    own = _offered(module, wanted, (kind,) if kind else kinds)
    choices = " or ".join(f"{path}:{one}" for one in own)
    fix = f"Write {choices}." if own else f"It has none: write a {called.lower()} into it."
    lack = f'no "{name}" in {path}' if name else f'"{path}" names no {called.lower()}'
    raise ChainruleError(f"{owner}: {lack}.{nearest(name, own) or f' {fix}'}")


def refuse_file(text: str, *, owner: str) -> None:
    """Raise ChainruleError if a text, which names no component, names a file or folder in another way."""
    if hint := file_hint(text):
        raise ChainruleError(f"{owner}: a file must be given as FILE.py:Class, got {text}. {hint}")


def file_hint(text: str) -> str:
    """Return what to write in place of a text that names a file or folder in another way, or an empty string."""
    if not text:
        return ""
    address = text.partition(":")[2] if kind_or_none(text.partition(":")[0]) else text
    path, _, attribute = address.rpartition(":") if ":" in address else (address, "", "Class")
    if os.path.isdir(path):  # noqa: PTH112 - False for too long a name
        return f"Write {Path(path) / 'FILE.py'}:{attribute}."
    if is_file(Path(path)):
        return "Rename the file." if ":" in address else "Put the class into a file FILE.py."
    module, _, last = path.rpartition(".")
    for stem, name in ((path, attribute), (module, last)):
        for form in (stem, stem.replace(".", "/")):  # of a path, and of a module
            if stem and is_file(file := Path(f"{form}.py")):
                return f"Write {file}:{name}."
    return _installed_file(path, attribute) if ":" in address else ""


def _installed_file(module: str, name: str) -> str:
    """Return a hint to the file of a module that is installed, if the name stands in it, or an empty string."""
    if module.startswith(FOREIGN):
        return ""
    try:
        found = find_spec(module)
    except Exception:  # noqa: BLE001 - it imports the packages around the module, which may raise anything
        return ""
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return ""
    stands_there = re.search(
        rf"\b{re.escape(name)}\b", Path(found.origin).read_text(encoding="utf-8", errors="replace")
    )
    return f"Write {found.origin}:{name}." if stands_there else ""


def _imported(owner: str, file: Path) -> ModuleType:
    try:
        return import_file(file)
    except (Exception, SystemExit) as error:
        raise ChainruleError(
            f"{owner}: {file} cannot be imported: {one_line(error).rstrip('.')}. Run it with python for the traceback."
        ) from error


def _offered(module: ModuleType, wanted: type | UnionType, kinds: Collection[str]) -> list[str]:
    """Return the names of the values that are wanted, of these kinds, or else of functions, or of all that are."""
    own = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not (isinstance(value, type | FunctionType) and value.__module__ != module.__name__)
    }
    found = [name for name, value in own.items() if isinstance(value, wanted)]
    of_kinds = [name for name in found if _is_one_of(kinds, own[name])]
    return of_kinds or [name for name, value in own.items() if isinstance(value, FunctionType)] or found


def _is_one_of(kinds: Collection[str], value: object) -> bool:
    return not kinds or any(kind in kinds for kind in kinds_of_class(value) or ("callbacks",))  # which need no parent
