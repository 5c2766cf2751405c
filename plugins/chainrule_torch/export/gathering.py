"""`Gathering`: what a rule needs beside itself, of its own module, of others and of chainrule."""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
from torch import Tensor

import chainrule
from chainrule import ChainruleError
from chainrule.arguments import shown
from chainrule.base.setting_values import equal
from chainrule.errors import one_line
from chainrule_torch.export.module_source import (
    Edits,
    Imported,
    ModuleSource,
    documentation_after,
    source_of,
)
from chainrule_torch.export.references import at_once, is_everywhere, module_of, references

STAND_INS = ("State", "Step", "present")
"""Names of chainrule that the file defines for itself."""

OWN = ("chainrule", "chainrule_plugins")
"""Packages whose functions and constants travel with any rule."""


@dataclass
class Item:
    """A function, a class or a constant that travels with a rule.

    Attributes:
        source: the module that defines it, on this line.
        text: its source.
        uses: the names of the items that it uses.
        uses_at_once: those that must stand above it.
    """

    name: str
    source: ModuleSource
    is_constant: bool
    line: int
    text: str = ""
    uses: set[str] = field(default_factory=set)
    uses_at_once: set[str] = field(default_factory=set)


class Gathering:
    """Follows the names in a rule's source to definitions, which it collects, as far as these come from its packages.

    Args:
        owner: the rule's name, for errors.
        kinds: the new names of the rule's classes, by class.

    Attributes:
        items: the definitions, by name.
        imports: what the file imports from torch and the standard library.
        stand_ins: the names of chainrule that it uses.
        nodes: every syntax tree that is part of the file.
    """

    def __init__(self, owner: str, kinds: dict[type, str]) -> None:
        self.owner, self._kinds = owner, kinds
        self.items: dict[str, Item] = {}
        self.imports: set[Imported] = set()
        self.stand_ins: set[str] = set()
        self.nodes: list[ast.AST] = []
        homes = {kind.__module__.partition(".")[0] for kind in kinds}
        self._roots = {*homes, *OWN}
        self._folders = {_folder(sys.modules[home]) for home in homes} - {None}

    def refuse(self, what: str) -> NoReturn:
        """Raise ChainruleError for something that cannot be in the file."""
        raise ChainruleError(
            f"export: {self.owner}: the file must need torch and the standard library alone, got {what}. "
            "Write it with torch, or train with chainrule_torch.optimizer."
        )

    def _refuse_definition(self, module: str, name: str) -> NoReturn:
        raise ChainruleError(
            f"export: {self.owner}: a name must be defined by a statement of its own at the top of its module, got "
            f"{name} of {module}. Define it there, under no if or try."
        )

    def expect_defined(self, source: ModuleSource, name: str, node: ast.stmt, home: type | ModuleType) -> None:
        """Raise ChainruleError if a constant of a class or module has another value than its definition gives."""
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            return
        value, rule = vars(home).get(name), f"export: {self.owner}: a constant must keep the value of its definition"
        if node.value is None:
            self._refuse_definition(source.name, name)
        try:
            defined = source.evaluated(node.value, vars(home))
        except Exception as error:
            raise ChainruleError(
                f"{rule}, got {name} of {source.name}, which gives {one_line(error).rstrip('.')} now. Write its value."
            ) from error
        if not _are_same(value, defined):
            raise ChainruleError(
                f"{rule}, got {name} = {shown(value)}, which {source.name} defines as {shown(defined)}. "
                "Define it by one statement."
            )

    def follow(self, source: ModuleSource, node: ast.AST) -> tuple[Edits, set[str]]:
        """Return the edits by which names in a syntax tree become those of the file, and the items that it uses."""
        edits: Edits = {}
        used: set[str] = set()
        self.nodes.append(node)
        for each, bound in references(node, source):
            new = self._text_for(source, each, used, bound)
            if new is not None and new != source.text(each):
                edits[source.span(each)] = new
        return edits, used

    def _text_for(self, source: ModuleSource, node: ast.AST, used: set[str], bound: set[str]) -> str | None:
        """Return the file's name for what a node refers to, or None for what it has no name for."""
        path: list[str] = []
        root = node
        while isinstance(root, ast.Attribute):
            path.insert(0, root.attr)
            root = root.value
        if isinstance(root, ast.Import | ast.ImportFrom):
            for one in source.imported_by(root):
                if not is_everywhere(one.module):
                    self.refuse(f"the import of {one.module}")
            return None
        if not isinstance(root, ast.Name) or root.id in bound:
            return None
        found: Any = source.imports.get(root.id, root.id)
        if isinstance(found, str):
            return self._defined(source, found, used) if not path else None
        if is_everywhere(found.module):
            self.imports.add(found)
            return None
        for name in path:  # of a module, as in ops.square_root
            inside = module_of(found)
            if inside is None:
                return None
            found = Imported(inside, name, name)
        return self._imported(found, used)

    def _defined(self, source: ModuleSource, name: str, used: set[str]) -> str | None:
        """Return the file's name for one that a module defines, and gather its definition."""
        value = getattr(sys.modules[source.name], name, None)
        if isinstance(value, type) and value in self._kinds:
            return self._kinds[value]
        if (stand_in := self._of_chainrule(value, source.name)) is not None:
            return stand_in
        if name in source.definitions:
            self._gather(source, name)
            used.add(name)
            return name
        if not hasattr(builtins, name) and hasattr(sys.modules[source.name], name):
            self._refuse_definition(source.name, name)
        return None

    def _imported(self, imported: Imported, used: set[str]) -> str | None:
        """Return the file's name for an imported one."""
        module, name = imported.module, imported.name
        root = module.partition(".")[0]
        if root == "__future__":
            return None
        if is_everywhere(root):
            self.imports.add(imported)
            return imported.bound
        if name is None or not self._travels(root):
            self.refuse(f"the import of {module}")
        value = getattr(importlib.import_module(module), name, None)
        if isinstance(value, type) and value in self._kinds:
            return self._kinds[value]
        if (stand_in := self._of_chainrule(value, module)) is not None:
            return stand_in
        source = source_of(module)
        if name in source.definitions:
            return self._defined(source, name, used)
        if name in source.imports:
            return self._imported(source.imports[name], used)
        home = getattr(value, "__module__", module)
        if name not in source_of(home).definitions:
            self._refuse_definition(module, name)
        return self._defined(source_of(home), name, used)

    def _of_chainrule(self, value: Any, module: str) -> str | None:
        """Return what stands in the file for one of chainrule's own names."""
        for name in STAND_INS:
            if value is getattr(chainrule, name):
                self.stand_ins.add(name)
                return name
        if value is chainrule.LearningRate:
            return "float"
        if isinstance(value, type) and value.__module__.startswith("chainrule."):
            if issubclass(value, ChainruleError):
                return builtin_error(value)
            self.refuse(f"{module.partition('.')[0]}.{value.__name__}")
        return None

    def _travels(self, root: str) -> bool:
        """Whether what a package or a neighbouring file defines travels."""
        if root in self._roots:
            return True
        return root in sys.modules and _folder(sys.modules[root]) in self._folders

    def _gather(self, source: ModuleSource, name: str) -> None:
        known = self.items.get(name)
        if known is not None:
            if known.source is not source:
                raise ChainruleError(
                    f"export: {self.owner}: names must differ within one file, got {name} of {known.source.name} "
                    f"and of {source.name}. Rename one."
                )
            return
        node = source.definitions[name]
        is_constant = isinstance(node, ast.Assign | ast.AnnAssign)
        item = self.items[name] = Item(name, source, is_constant, node.lineno)
        edits, item.uses = self.follow(source, node)
        for each in at_once(node):
            item.uses_at_once |= {one for one in self.follow(source, each)[1] if one != name}
        until = documentation_after(source.tree.body, node) if is_constant else None
        item.text = source.block(node, edits, until=until)
        self.expect_defined(source, name, node, sys.modules[source.name])

    def expect_free(self, own: Iterable[str], always: Iterable[Imported]) -> None:
        """Raise ChainruleError if what is gathered has names of the file's own, or imports two things by one name."""
        imports = {*self.imports, *always}
        bound = [one.bound for one in imports]
        names = [*own, *self._kinds.values(), *bound, *self.items]
        if clash := sorted({name for name in names if names.count(name) > 1}):
            raise ChainruleError(
                f"export: {self.owner}: names must differ within one file, got {clash[0]} twice, in the rule's modules "
                "or of the file itself. Rename it."
            )

    def above(self, names: Iterable[str]) -> list[Item]:
        """Return items with all that they need to be evaluated, each above what needs it."""
        found: dict[str, Item] = {}

        def place(name: str) -> None:
            item = self.items[name]
            for needed in sorted(item.uses if item.is_constant else item.uses_at_once):
                place(needed)
            if item.is_constant:  # which may call functions
                for needed in item.uses:
                    for each in sorted(self.items[needed].uses):
                        place(each)
            found.setdefault(name, item)

        for name in names:
            place(name)
        return list(found.values())


def builtin_error(kind: type) -> str:
    """Return the name of Python's error for one of chainrule."""
    parents = [each.__name__ for each in kind.__mro__ if each.__module__ == "builtins"]
    return parents[0] if parents[0] != "Exception" else "RuntimeError"


def _are_same(value: Any, other: Any) -> bool:
    """Whether two values are equal, or cannot be compared, as functions cannot."""
    if type(value) is not type(other):
        return False
    if isinstance(value, tuple | list):
        return len(value) == len(other) and all(map(_are_same, value, other))
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value)) == sorted(map(repr, other))
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(_are_same(value[key], other[key]) for key in value)
    if isinstance(value, Tensor | np.ndarray):
        if (value.dtype, value.shape) != (other.dtype, other.shape):
            return False
        with suppress(RuntimeError):  # tensors of device "meta" have no values
            return repr(_listed(value)) == repr(_listed(other))
        return True
    if isinstance(value, float | complex):
        return repr(value) == repr(other)  # NaN is the same as NaN
    return type(value).__eq__ is object.__eq__ or equal(value, other)  # type: ignore[comparison-overlap]


def _listed(array: Any) -> Any:
    return (array if isinstance(array, np.ndarray) else array.to_dense()).tolist()


def _folder(module: ModuleType) -> Path | None:
    """Return the folder of a file that is part of no package."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve().parent if file and not hasattr(module, "__path__") else None
