"""The class of a rule as it stands in the file: its own source, without what only chainrule needs."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from typing import Any, Generic, Protocol

import torch

from chainrule import ChainruleError, Optimizer, Wrapper
from chainrule.base.settings import declared_types
from chainrule.errors import label
from chainrule_torch.export.docstring import docstring
from chainrule_torch.export.gathering import Gathering
from chainrule_torch.export.module_source import (
    Function,
    Imported,
    ModuleSource,
    documentation_after,
    is_text,
    name_of,
    source_of,
)
from chainrule_torch.export.references import at_once
from chainrule_torch.export.settings_text import check, literal, type_text
from chainrule_torch.export.text import indented

CONTRACT = (
    "init",
    "scalars",
    "reduce",
    "update",
    "apply",
    "evaluation_parameter",
    "change_gradient",
    "change_direction",
    "after_step",
    "inner_period",
    "__post_init__",
)
"""The methods by which chainrule calls a rule."""

ROOTS = frozenset([*Optimizer.__mro__, *Wrapper.__mro__, Generic, Protocol])
"""The parent classes of which nothing stands in the file: those of every rule, and what type checkers alone need."""

FROM_PARENT = {
    "apply": '''\
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        """Change parameter in place."""
        self.descend(parameter, self.update(parameter, grad, state, step), step)''',
    "descend": '''\
    def descend(self, parameter: Tensor, direction: Tensor, step: Step) -> None:
        """Take the step θ ← θ − lr direction in place."""
        parameter.sub_(direction, alpha=step.lr)''',
    "descend with decay": '''\
    def descend(self, parameter: Tensor, direction: Tensor, step: Step) -> None:
        """Take the step θ ← θ − lr (direction + weight_decay θ) in place."""
        if self.weight_decay:
            parameter.mul_(1 - step.lr * self.weight_decay)
        parameter.sub_(direction, alpha=step.lr)''',
    "init": '''\
    def init(self, parameter: Tensor) -> State:
        """Return the initial state for this tensor."""
        return {}''',
    "scalars": '''\
    def scalars(self, t: int) -> dict[str, float]:
        """Return numbers that depend on t alone."""
        return {}''',
}
"""What a rule may use of its parent class."""


class RuleClass:
    """A rule's class and the classes that it inherits from.

    Args:
        rule: an instance.
        gathering: collects what the class uses.

    Attributes:
        name: the class's name in the file.
        fields: the fields that stand in the file.
        texts: the classes, a parent above its child.
        uses_at_once: the names of the items that must stand above.

    Raises:
        ChainruleError: if it cannot stand in a file of its own.
    """

    def __init__(self, rule: Optimizer, name: str, gathering: Gathering) -> None:
        self.kind, self.name, self._gathering = type(rule), name, gathering
        self.label = label(rule)
        self.fields = [field for field in dataclasses.fields(rule) if field.name not in ("schedule", "inner")]
        self._types = declared_types(self.kind)
        self.uses_at_once: set[str] = set()
        self._kinds = [kind for kind in self.kind.__mro__ if kind not in ROOTS]
        self._sources = {kind: self._definition(kind) for kind in self._kinds}
        self._from_parent: set[str] = set()
        self._inherits = False
        self._kept = self._reachable()
        self.texts = self._written()

    def has(self, method: str) -> bool:
        """Whether the class defines a method of the contract, in place of its parent's default."""
        return any(method in vars(kind) for kind in self._kinds)

    def _definition(self, kind: type) -> tuple[ModuleSource, ast.ClassDef]:
        """Return where a class is written."""
        if isinstance(theirs := getattr(kind, "kind", None), type) and issubclass(theirs, torch.optim.Optimizer):
            raise of_torch_already(self.label, theirs)
        source = source_of(kind.__module__)
        node = source.definitions.get(kind.__name__)
        if not isinstance(node, ast.ClassDef) or kind.__qualname__ != kind.__name__:
            raise ChainruleError(
                f"export: {self.label}: the rule must be a class at the top of its file, got {kind.__qualname__} of "
                f"{kind.__module__}. Move it there."
            )
        return source, node

    def _members(self, kind: type) -> dict[str, list[ast.stmt]]:
        """Return the statements in a class by the names that they define, each with the string that documents it."""
        _, node = self._sources[kind]
        found: dict[str, list[ast.stmt]] = {}
        for statement in node.body:
            if name := name_of(statement):
                found.setdefault(name, []).append(statement)
        return found

    def _reachable(self) -> dict[type, set[str]]:
        """Return the names in each class that the contract's methods are or use."""
        kept: dict[type, set[str]] = {kind: set() for kind in self._kinds}
        called = [name for name in CONTRACT if self.has(name) and (name != "update" or not self.has("apply"))]
        open_names = [(name, 0) for name in called]
        fields = {field.name for field in dataclasses.fields(self.kind)}
        while open_names:
            name, first = open_names.pop()
            kind = next((each for each in self._kinds[first:] if name in vars(each)), None)
            if kind is None:
                self._take_from_parent(name, fields, by_super=first > 0)
                open_names += [("descend", 0), ("update", 0)] if name == "apply" else []
                continue
            if name in fields or name in kept[kind]:
                continue
            kept[kind].add(name)
            for statement in self._members(kind).get(name, []):
                open_names += list(self._own_names(statement, self._kinds.index(kind)))
        return kept

    def _take_from_parent(self, name: str, fields: set[str], *, by_super: bool) -> None:
        """Note that a method of chainrule's parent class is used, or refuse it."""
        if name in fields or name.startswith("__") or not hasattr(self.kind, name):
            return
        if name == "descend" and self.kind.decay_kind == "decoupled" and "weight_decay" in fields:
            name = "descend with decay"
        if name not in FROM_PARENT:
            self._gathering.refuse(f"{name} of the parent class")
        self._from_parent.add(name)
        self._inherits |= by_super

    def _own_names(self, node: ast.AST, depth: int) -> Iterator[tuple[str, int]]:
        """Yield the attributes of self that a method uses, with the depth from which on a class must define them."""
        first = next((each.arg for each in ast.walk(node) if isinstance(each, ast.arg)), "self")
        for each in ast.walk(node):
            if not isinstance(each, ast.Attribute):
                continue
            owner = each.value
            if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super":
                yield each.attr, depth + 1
            elif isinstance(owner, ast.Name) and owner.id in (first, *(kind.__name__ for kind in self._kinds)):
                yield each.attr, 0

    def _written(self) -> list[str]:
        texts, parents = [], []
        if self._from_parent:
            self._gathering.stand_ins |= {"State", "Step"}
        if self._inherits:
            parents.append("Rule")
            texts.append(f'class Rule:\n    """What a rule has from its parent class."""\n\n{self._inherited()}')
        for kind in reversed(self._kinds):
            if self._kept[kind] - {"__post_init__"} or kind is self.kind or self._own_checks(kind):
                texts.append(self._class(kind, parents))
                parents = [self._gathering_name(kind)]
        return texts

    def _inherited(self) -> str:
        return "\n\n".join(FROM_PARENT[name] for name in sorted(self._from_parent))

    def _gathering_name(self, kind: type) -> str:
        return self.name if kind is self.kind else f"{kind.__name__}Rule"

    def _class(self, kind: type, parents: list[str]) -> str:
        source, node = self._sources[kind]
        is_last = kind is self.kind
        inherits = f"({', '.join(parents)})" if parents else ""
        parts = [docstring(source, node, label(kind))]
        if is_last and self.fields:
            parts.append("\n".join(f"    {field.name}: {self.type_of(field.name)}" for field in self.fields))
        fields = self.fields if is_last else []
        checks = [text for each in fields if (text := check(self.label, each, self._types[each.name])) is not None]
        checks += self._own_checks(kind)
        constants: list[str] = []
        methods: list[str] = []
        for name, statements in self._members(kind).items():
            if name not in self._kept[kind] or name == "__post_init__":
                continue
            self._gathering.expect_defined(source, name, statements[-1], kind)
            for statement in statements:
                edits, _ = self._gathering.follow(source, statement)
                for each in at_once(statement):
                    self.uses_at_once |= self._gathering.follow(source, each)[1]
                block = source.block(statement, edits, until=documentation_after(node.body, statement))
                (methods if isinstance(statement, Function) else constants).append(block)
        if checks:
            body = indented("\n".join(checks), 8)
            methods.insert(0, f"    def __post_init__(self) -> None:\n{body}")
        if is_last and self._from_parent and not self._inherits:
            methods.append(self._inherited())
        parts += [*constants, *methods]
        decorator = "@dataclass(frozen=True, kw_only=True)\n" if is_last else ""
        return f"{decorator}class {self._gathering_name(kind)}{inherits}:\n" + "\n\n".join(parts)

    def _own_checks(self, kind: type) -> list[str]:
        """Return the statements of the class's own __post_init__, without its call of the parent's."""
        source, _ = self._sources[kind]
        found = self._members(kind).get("__post_init__", [])
        if not found or not isinstance(found[0], Function) or "__post_init__" not in self._kept[kind]:
            return []
        edits, _ = self._gathering.follow(source, found[0])
        depth = self._kinds.index(kind)
        inherits = any("__post_init__" in self._kept[each] for each in self._kinds[depth + 1 :])
        statements = [
            statement
            for statement in found[0].body
            if not is_text(statement) and (inherits or not _calls_parent(statement))
        ]
        return [_dedented(source.block(statement, edits)) for statement in statements]

    def type_of(self, name: str) -> str:
        """Return the type of a field as Python."""
        declared = self._types[name]
        found = type_text(declared)
        if found is None:
            raise ChainruleError(
                f"export: {self.label}: settings must be numbers, words or tuples of them, got {name}: "
                f"{getattr(declared, '__name__', declared)}. Train with chainrule_torch.optimizer."
            )
        if "Literal[" in found:
            self._gathering.imports.add(Imported("typing", "Literal", "Literal"))
        return found

    def default_of(self, name: str, value: Any) -> str:
        """Return a field's default as its class writes it, or another value."""
        for kind in self._kinds:
            source, _ = self._sources[kind]
            for statement in self._members(kind).get(name, []):
                if isinstance(statement, ast.AnnAssign) and (written := _default(statement)) is not None:
                    field = next(each for each in self.fields if each.name == name)
                    if field.default != value:
                        return literal(value)
                    return source.text(written, self._gathering.follow(source, written)[0])
        return literal(value)


def of_torch_already(owner: str, kind: type) -> ChainruleError:
    """Return the error for a class that needs no file."""
    return ChainruleError(
        f"export: {owner}: the rule must be one of chainrule's, got {kind.__module__}.{kind.__name__}, "
        "which is an optimizer of torch already. Use it as it is."
    )


def _default(statement: ast.AnnAssign) -> ast.expr | None:
    """Return the expression of a field's default."""
    value = statement.value
    if not isinstance(value, ast.Call):
        return value
    if value.args:
        return value.args[0]
    return next((each.value for each in value.keywords if each.arg == "default"), None)


def _calls_parent(statement: ast.stmt) -> bool:
    """Whether a statement is ``super().__post_init__()``."""
    return ast.unparse(statement) == "super().__post_init__()"


def _dedented(text: str) -> str:
    lines = text.split("\n")
    depth = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[depth:] if line[:depth].isspace() else line for line in lines)
