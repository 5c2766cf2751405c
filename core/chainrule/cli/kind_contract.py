"""What the author of a component defines, sets, overrides or uses, by kind, read from the parent class's code."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from chainrule.base.settings import Settings
from chainrule.registry.kinds import TABLE

Role: TypeAlias = Literal["define", "set", "override", "use"]

HOOKS = "chainrule.base.hookspecs.TrainingHooks"
"""The class whose methods a callback may implement, since callbacks have no parent class."""


class Member(NamedTuple):
    """One attribute or method of the contract.

    Attributes:
        role: what the author does with it: "define" it, "set" it, "override" it where the default does not fit, or
            "use" it as it is.
        name: as it is written.
        declaration: what follows the name: an attribute's default, or a method's arguments.
        meaning: the first paragraph of its docstring.
    """

    role: Role
    name: str
    declaration: str
    meaning: str


def contract_of(kind: str) -> list[Member]:
    """Return the members of a kind's contract, those to define first, each group in the order of the code."""
    address = next(known.parent for known in TABLE if known.name == kind) or HOOKS
    module, _, name = address.rpartition(".")
    parent = getattr(importlib.import_module(module), name)
    found: dict[str, Member] = {}
    for cls in parent.__mro__:
        if cls.__module__.startswith("chainrule."):
            for member in _members(cls):
                found.setdefault(member.name, member)
    order = ("define", "set", "override", "use")
    return sorted(found.values(), key=lambda member: order.index(member.role))


def _members(cls: type) -> Iterator[Member]:
    source = inspect.getsource(cls)
    (definition,) = ast.parse(source).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for node, after in zip(body, [*body[1:], None], strict=True):
        match node, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                is_set = issubclass(cls, Settings) or "ClassVar" in ast.unparse(node.annotation)
                default = ast.get_source_segment(source, node.value) if node.value else None
                yield Member(
                    "set" if is_set else "use", name, f" = {default}" if default else "", _paragraph(docstring)
                )
            case ast.FunctionDef(name=name), _ if name == "__call__" or not name.startswith("_"):
                meaning = _paragraph(ast.get_docstring(node) or "")
                yield Member(_role(node), name, f"({ast.unparse(node.args)})", meaning)


def _role(method: ast.FunctionDef) -> Role:
    marks = {ast.unparse(decorator) for decorator in method.decorator_list}
    if "final" in marks:
        return "use"
    raises = isinstance(method.body[-1], ast.Raise) and "NotImplementedError" in ast.unparse(method.body[-1])
    return "define" if raises or "abstractmethod" in marks else "override"


def _paragraph(docstring: str) -> str:
    return " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())
