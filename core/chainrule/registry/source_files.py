"""Source files of components, found and read without importing them or their packages."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from chainrule.registry.component import Component

_MAX_REEXPORTS = 4


def source_file(component: Component) -> Path | None:
    """Return the file of the module that an entry point names, or None if there is none."""
    return _module_file(_address(component)[0])


def summary(component: Component) -> str:
    """Return the first line of a component's docstring, or an empty string if its source cannot be read."""
    return _summary(*_address(component), _MAX_REEXPORTS)


def _address(component: Component) -> tuple[str, str]:
    """Return the module and the attribute that an entry point names, without its extras."""
    module, _, attribute = component.entry_point.partition("[")[0].partition(":")
    return module.strip(), attribute.strip()


def _summary(module: str, attribute: str, reexports: int) -> str:
    file = _module_file(module)
    if file is None:
        return ""
    try:
        body = _parse(file.read_text(encoding="utf-8-sig"), attribute)
    except (OSError, SyntaxError, ValueError):
        return ""  # a file that cannot be read has no summary; loading it reports the error
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
            return (ast.get_docstring(node) or "").partition("\n")[0]
        if isinstance(node, ast.ImportFrom) and reexports:
            for alias in node.names:
                if attribute == (alias.asname or alias.name):
                    return _summary(_imported_module(node, module, file), alias.name, reexports - 1)
    return ""


def _parse(text: str, attribute: str) -> list[ast.stmt]:
    """Parse a source, or only the part from a definition to the end of its docstring.

    Parsing whole files would take a third of the time of listing a hundred components.
    """
    part = re.search(rf'^(?:class|def) {re.escape(attribute)}\b.*?:\n\s+""".*?"""', text, re.DOTALL | re.MULTILINE)
    if part is not None:
        try:
            return ast.parse(part[0]).body
        except SyntaxError:  # those quotes did not end a docstring
            return ast.parse(text).body
    return ast.parse(text).body


def _imported_module(node: ast.ImportFrom, module: str, file: Path) -> str:
    """Return the absolute name of the module that a ``from … import …`` names."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *(node.module or "").split(".")]).rstrip(".")


@cache
def _top_level(package: str) -> ModuleSpec | None:
    """Return the spec of a top-level package; looking up a dotted name would import its parents."""
    try:
        return find_spec(package)
    except (ImportError, ValueError):  # refused by a finder, or already imported without a spec
        return None


def _module_file(module: str) -> Path | None:
    package, *rest = module.split(".")
    if not all(part.isidentifier() for part in (package, *rest)):
        return None
    spec = _top_level(package)
    if spec is None:
        return None
    if not rest:
        file = Path(spec.origin or "")
        return file if file.suffix == ".py" and file.is_file() else None
    for folder in spec.submodule_search_locations or ():
        base = Path(folder).joinpath(*rest)
        for file in (base.with_name(base.name + ".py"), base / "__init__.py"):
            if file.is_file():
                return file
    return None
