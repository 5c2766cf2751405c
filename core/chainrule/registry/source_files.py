"""Source files of components, found and read without importing them or their packages."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import decode_source, find_spec
from pathlib import Path

from chainrule.registry.component import Component

_MAX_REEXPORTS = 4


def source_file(component: Component) -> Path | None:
    """Return the file of the module that an entry point names, or None if there is none."""
    return _module_file(_address(component)[0])


def is_file(path: Path) -> bool:
    """Return whether there is such a file; there is none of too long a name, at which Path.is_file raises."""
    try:
        return path.is_file()
    except OSError:
        return False


def summary(component: Component) -> str:
    """Return a record's summary, else the first line in the source of a docstring; empty if that cannot be read."""
    return component.summary or _summary(*_address(component), _MAX_REEXPORTS)


def _address(component: Component) -> tuple[str, str]:
    """Return the module and the attribute that an entry point names, without its extras."""
    module, _, attribute = component.entry_point.partition("[")[0].partition(":")
    return module.strip(), attribute.strip()


def _summary(module: str, attribute: str, reexports: int) -> str:
    file = _module_file(module)
    if file is None:
        return ""
    try:
        body = _parse(_text(file), attribute)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # a file that cannot be read has no summary; loading it reports the error
    name, _, inside = attribute.partition(".")
    for node in _statements(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            definition = _inside(node, inside)
            return "" if definition is None else (ast.get_docstring(definition) or "").partition("\n")[0]
        if isinstance(node, ast.ImportFrom) and reexports:
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    origin = ".".join(filter(None, (alias.name, inside)))
                    return _summary(_imported_module(node, module, file), origin, reexports - 1)
    return ""


def _inside(definition: ast.ClassDef | ast.FunctionDef, attribute: str) -> ast.ClassDef | ast.FunctionDef | None:
    """Return the class that an attribute of a class, such as ``Inner.Rule``, names; itself if the name is empty."""
    name, _, rest = attribute.partition(".")
    if not name:
        return definition
    found = (node for node in definition.body if isinstance(node, ast.ClassDef) and node.name == name)
    return next((_inside(node, rest) for node in found), None)


def _text(file: Path) -> str:
    """Return a source, decoded as its first lines declare where it is not UTF-8."""
    source = file.read_bytes()
    try:
        return source.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return decode_source(source)


def _parse(text: str, attribute: str) -> list[ast.stmt]:
    """Parse a source, or only the part from a definition to the end of its docstring.

    Parsing whole files would take a third of the time of listing a hundred components.
    """
    part = re.search(rf'^(?:class|def) {re.escape(attribute)}\b.*?:\n\s+""".*?"""', text, re.DOTALL | re.MULTILINE)
    with warnings.catch_warnings(action="ignore"):  # such as for a backslash in a docstring; importing shows it
        if part is not None:
            try:
                return ast.parse(part[0]).body
            except SyntaxError:  # those quotes did not end a docstring
                pass
        return ast.parse(text).body


def _statements(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the statements that run when a module is imported, and those in its conditions."""
    for node in nodes:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.ExceptHandler):
            yield from _statements(ast.iter_child_nodes(node))


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
    except Exception:  # noqa: BLE001  # whatever a finder raises, or it is already imported without a spec
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
        return file if file.suffix == ".py" and is_file(file) else None
    for folder in spec.submodule_search_locations or ():
        base = Path(folder).joinpath(*rest)
        for file in (base.with_name(base.name + ".py"), base / "__init__.py"):
            if is_file(file):
                return file
    return None
