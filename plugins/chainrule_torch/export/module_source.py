"""`ModuleSource`: the definitions of a module as they are written, and where the names in them come from."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name
from itertools import pairwise
from types import ModuleType
from typing import Any, TypeAlias

from chainrule import ChainruleError

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = Function | ast.ClassDef | ast.Assign | ast.AnnAssign
Scope: TypeAlias = Function | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
"""Syntax with names that are bound in it alone."""

Edits: TypeAlias = dict[tuple[int, int], str]
"""New text for spans of the source, in bytes."""


@dataclass(frozen=True)
class Imported:
    """What an import binds a name to: a module, or a name in it."""

    module: str
    name: str | None
    bound: str


class ModuleSource:
    """The source of a module.

    Attributes:
        name: the module's.
        tree: its syntax tree.
        definitions: functions, classes and constants at its top, by name.
        imports: what each name is bound to that is imported at its top, also under an if or a try.

    Raises:
        ChainruleError: if there is no source.
    """

    def __init__(self, module: ModuleType) -> None:
        self.name, self._module = module.__name__, module
        try:
            text = inspect.getsource(module)
        except (OSError, TypeError) as error:
            raise ChainruleError(
                f"export: no source of the module {module.__name__}. Write the rule into a file of Python."
            ) from error
        self._bytes = text.encode()
        self._lines = self._bytes.splitlines(keepends=True)
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line))
        self._starts = starts
        self.tree = ast.parse(text)
        self.definitions: dict[str, Definition] = {}
        self.imports: dict[str, Imported] = {}
        for node in _top_level(self.tree.body):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports |= {one.bound: one for one in self.imported_by(node)}
        for node in self.tree.body:
            if name := name_of(node):
                self.definitions[name] = node  # type: ignore[assignment]  # what has a name is one

    def evaluated(self, node: ast.expr, names: Mapping[str, Any]) -> Any:
        """Return the value that an expression has now, at the module's top or in a class with these names."""
        return eval(compile(ast.Expression(node), f"<{self.name}>", "eval"), vars(self._module), names)  # noqa: S307

    def imported_by(self, node: ast.Import | ast.ImportFrom) -> list[Imported]:
        """Return what an import statement binds."""
        if isinstance(node, ast.Import):
            modules = [(alias.name if alias.asname else alias.name.partition(".")[0], alias) for alias in node.names]
            return [Imported(module, None, alias.asname or module) for module, alias in modules]
        package = getattr(self._module, "__package__", None) or self.name.rpartition(".")[0]
        module = resolve_name("." * node.level + (node.module or ""), package) if node.level else str(node.module)
        return [Imported(module, alias.name, alias.asname or alias.name) for alias in node.names]

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the start and the end of a node, in bytes."""
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def text(self, node: ast.AST, edits: Mapping[tuple[int, int], str] | None = None) -> str:
        """Return a node's text, with some of its spans replaced."""
        return self._edited(*self.span(node), edits or {})

    def block(self, node: ast.AST, edits: Mapping[tuple[int, int], str], *, until: ast.AST | None = None) -> str:
        """Return the lines of a statement, with its decorators and the comments above it, and with those until another.

        Spans that are replaced by nothing are left out with their lines.
        """
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])  # type: ignore[attr-defined]
        while first > 1 and self._lines[first - 2].lstrip().startswith(b"#"):
            first -= 1
        last: int = (until or node).end_lineno  # type: ignore[attr-defined]
        whole_lines = {}
        for (start, end), new in edits.items():
            if not new:
                start = self._bytes.rfind(b"\n", 0, start) + 1
                end = self._bytes.find(b"\n", end) + 1
            whole_lines[start, end] = new
        return self._edited(self._starts[first - 1], self._starts[last], whole_lines).rstrip("\n")

    def _edited(self, start: int, end: int, edits: Mapping[tuple[int, int], str]) -> str:
        inside = sorted((span, new) for span, new in edits.items() if start <= span[0] and span[1] <= end)
        parts, at = [], start
        for (first, last), new in inside:
            parts += [self._bytes[at:first], new.encode()]
            at = last
        return b"".join([*parts, self._bytes[at:end]]).decode()


def source_of(module: str) -> ModuleSource:
    """Return the source of a module, imported if need be."""
    return _source(sys.modules.get(module) or importlib.import_module(module))


_source = cache(ModuleSource)


def name_of(node: ast.AST) -> str | None:
    """Return the name that a statement defines, or None."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    target = node.target if isinstance(node, ast.AnnAssign) else target
    return target.id if isinstance(target, ast.Name) else None


def documentation_after(body: list[ast.stmt], node: ast.AST) -> ast.stmt | None:
    """Return the string that follows a statement and documents it, or None."""
    following = next((after for before, after in pairwise(body) if before is node), None)
    return following if following is not None and is_text(following) else None


def is_text(node: ast.AST) -> bool:
    """Return whether a statement is a string alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def local_names(scope: Scope) -> set[str]:
    """Return the names that a function, a lambda or a comprehension binds, without those of scopes inside it."""
    names, parts = set[str](), list(ast.iter_child_nodes(scope))
    while parts:
        each = parts.pop()
        if isinstance(each, ast.arg):
            names.add(each.arg)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store | ast.Del):
            names.add(each.id)
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(each.name)
        if not isinstance(each, Scope | ast.ClassDef):
            parts += ast.iter_child_nodes(each)
    return names


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, with those under an if or a try."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            inside = [node.body, node.orelse, *(each.body for each in getattr(node, "handlers", []))]
            for statements in inside:
                yield from _top_level(statements)
