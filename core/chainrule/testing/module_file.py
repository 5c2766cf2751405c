"""Importing a file that belongs to no installed package, here and in a fresh process."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import cast


def import_file(file: Path) -> ModuleType:
    """Import a file as a module, or as part of the package whose folder it is in.

    Its folder goes last on ``sys.path``: the file may import its neighbours, and none of them takes the place of a
    module of Python or of an installed package. A file whose name is not that of a module, or is taken, gets another.

    Raises:
        ImportError: if the file is part of a package whose name is taken.
    """
    folder, parents = file.resolve().parent, list[Path]()
    while (folder / "__init__.py").is_file():
        parents.insert(0, folder)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    package = ""
    for parent in parents:
        package, inside = f"{package}{parent.name}.", parent / "__init__.py"
        _check_free(package[:-1], inside)
        module = import_as(package[:-1], inside)
    if parents and file.name == "__init__.py":
        return module
    name = package + re.sub(r"\W|^(?=\d)", "_", file.stem)
    while _origin(name) is not None and not _is_of(name, file):
        name += "_"
    return import_as(name, file)


def _check_free(name: str, file: Path) -> None:
    """Raise ImportError if a package has the name of one that is imported or belongs to Python."""
    if (name in sys.modules or name in sys.stdlib_module_names) and not _is_of(name, file):
        raise ImportError(f'"{name}" is the name of another module, in {_origin(name) or "Python itself"}')


def import_as(name: str, file: Path) -> ModuleType:
    """Import a file under a name, even if another file of that name would be found on ``sys.path``."""
    if _is_of(name, file):
        return importlib.import_module(name)
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    loader = SourceFileLoader(name, str(file))
    # The spec is None only where there is no loader.
    spec = cast("ModuleSpec", spec_from_file_location(name, file, loader=loader, submodule_search_locations=folders))
    module = sys.modules[name] = module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def files_of(name: str) -> list[tuple[str, str]]:
    """Return the files of a module and of the packages that it is in, each with its name, outermost first.

    What is imported from an archive has none, and is found there again by ``sys.path``.
    """
    parts = name.split(".")
    names = [".".join(parts[: count + 1]) for count in range(len(parts))]
    files = [(each, getattr(sys.modules.get(each), "__file__", None)) for each in names if each != "__main__"]
    return [(each, file) for each, file in files if file is not None and file.endswith(".py") and Path(file).is_file()]


def import_files(files: Iterable[tuple[str, str]]) -> None:
    """Import what `files_of` returned in another process."""
    for name, file in files:
        import_as(name, Path(file))


def _is_of(name: str, file: Path) -> bool:
    """Return whether a module is, or would be, imported from a file."""
    origin = _origin(name)
    return bool(origin) and Path(str(origin)).is_file() and file.samefile(str(origin))


def _origin(name: str) -> str | None:
    """Return the file of a module, found or imported; an empty string if it has none, None if there is no module."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None) or ""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # of its parent, or of a finder
        return None
    return None if spec is None else spec.origin or ""
