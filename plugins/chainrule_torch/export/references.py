"""The names that a piece of code refers to, and the modules that these come from."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

from chainrule_torch.export.module_source import Imported, ModuleSource, Scope, local_names


def at_once(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a definition that are evaluated where it stands."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from [*node.decorator_list, *node.args.defaults, *(each for each in node.args.kw_defaults if each)]
    elif isinstance(node, ast.ClassDef):
        yield from [*node.decorator_list, *node.bases, *(each.value for each in node.keywords)]
        for statement in node.body:
            yield from at_once(statement)
    elif isinstance(node, ast.AnnAssign):
        yield from [node.value] if node.value else []
    else:
        yield node


def references(node: ast.AST, source: ModuleSource) -> Iterator[tuple[ast.AST, set[str]]]:
    """Yield the names, the dotted names and the imports in a tree, with the names that are bound around each."""

    def visit(each: ast.AST, bound: set[str]) -> Iterator[tuple[ast.AST, set[str]]]:
        if isinstance(each, ast.Import | ast.ImportFrom):
            yield each, bound
        elif isinstance(each, ast.Name):
            if isinstance(each.ctx, ast.Load):
                yield each, bound
        elif isinstance(each, ast.Attribute) and (dotted := _dotted_import(each, source, bound)) is not None:
            yield dotted, bound
        else:
            inside = bound | local_names(each) if isinstance(each, Scope) else bound
            for child in ast.iter_child_nodes(each):
                yield from visit(child, bound if isinstance(child, ast.arguments) else inside)  # with their defaults

    yield from visit(node, set())


def _dotted_import(node: ast.Attribute, source: ModuleSource, bound: set[str]) -> ast.AST | None:
    """Return the part of a dotted name that leads from an imported module to something in it, or None."""
    chain: list[ast.Attribute | ast.Name] = []
    each: ast.AST = node
    while isinstance(each, ast.Attribute):
        chain.insert(0, each)
        each = each.value
    if not isinstance(each, ast.Name) or each.id in bound or each.id not in source.imports:
        return None
    found = source.imports[each.id]
    if is_everywhere(found.module):
        return each
    for part in chain:
        inside = module_of(found)
        if inside is None:
            break
        found = Imported(inside, part.attr, part.attr)  # type: ignore[union-attr]
        each = part
    return each


def module_of(imported: Imported) -> str | None:
    """Return the name of the module that an import binds, or None if it binds something else."""
    if imported.name is None:
        return imported.module
    value = getattr(importlib.import_module(imported.module), imported.name, None)
    return value.__name__ if isinstance(value, ModuleType) else None


def is_everywhere(module: str) -> bool:
    """Whether a module is there wherever torch is."""
    root = module.partition(".")[0]
    return root == "torch" or (root in sys.stdlib_module_names and root != "__future__")
