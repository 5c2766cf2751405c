"""The contract of each kind: what an author defines, sets, overrides or uses, read from the parent class's source."""

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
"""The class whose methods a callback may implement; callbacks have no parent class."""


class Member(NamedTuple):
    """An attribute or method of the contract.

    Attributes:
        role: "define" if the author must write it, "set" for a value to assign, "override" if the default may be
            replaced, or "use" if it must stay as it is.
        name: the name in the source.
        declaration: an attribute's default with its equals sign, or a method's arguments in parentheses.
        meaning: the first paragraph of its docstring.
    """

    role: Role
    name: str
    declaration: str
    meaning: str


def contract_of(kind: str) -> list[Member]:
    """Return the members of a kind's contract, grouped by role, those to define first, each group in source order."""
    address = next(known.parent for known in TABLE if known.name == kind) or HOOKS
    module, _, name = address.rpartition(".")
    parent = getattr(importlib.import_module(module), name)
    found: dict[str, Member] = {}
    for cls in parent.__mro__:
        if cls.__module__.startswith("chainrule."):
            for member in own_members(cls):
                found.setdefault(member.name, member)
    order = ("define", "set", "override", "use")
    return sorted(found.values(), key=lambda member: order.index(member.role))


def own_members(cls: type) -> Iterator[Member]:
    """Yield the members that a class itself has, in source order."""
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
    raises = isinstance(method.body[-1], ast.Raise) and "ContractError" in ast.unparse(method.body[-1])
    return "define" if raises or "abstractmethod" in marks else "override"


def _paragraph(docstring: str) -> str:
    return " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())
