"""The rule that a name of the command stands for, with the settings that become defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any, NamedTuple

import torch

from chainrule import ChainruleError, Module, Network, Optimizer, UnknownComponentError, Wrapper
from chainrule.cli.component_file import InFile, object_in_file, refuse_file, subject_of
from chainrule.errors import one_line
from chainrule.testing import Subject, subject
from chainrule_torch.export.rule_class import of_torch_already
from chainrule_torch.first_example import first_example


class Chosen(NamedTuple):
    """A rule to be exported.

    Attributes:
        title: the name of the class in the file.
        rule: the rule, whose settings are the defaults.
        required: the settings of its outermost layer that have no default.
    """

    title: str
    rule: Optimizer
    required: frozenset[str]


def chosen(name: str, inner: str | None = None) -> Chosen:
    """Return the rule of a registered name, or at FILE.py:Class or package.module.Class.

    Args:
        name: the name.
        inner: that of the rule inside, for a wrapper.

    Raises:
        ChainruleError: if there is no such optimizer.
    """
    found = _subject(name)
    make = found.component
    title = make.__name__ if isinstance(make, type) else "".join(part.capitalize() for part in found.name.split("_"))
    if inner is not None and not (isinstance(make, type) and issubclass(make, Wrapper)):
        raise ChainruleError(f"export: --inner is for the class of a wrapper, got {found.name}. Leave it out.")
    if isinstance(make, type) and issubclass(make, torch.optim.Optimizer):
        raise of_torch_already(found.name, make)
    example = first_example(found, "export")
    if not isinstance(make, type):
        return Chosen(title, example, frozenset())
    required = {field.name for field in dataclasses.fields(make) if field.default is dataclasses.MISSING}
    given: dict[str, Any] = {}
    if required:
        given = {each: getattr(example, each) for each in required}
    if inner is not None:
        given["inner"] = chosen(inner).rule
    return Chosen(title, make(**given), frozenset(required - {"inner"}))


def _subject(name: str) -> Subject:
    try:
        in_file = object_in_file(name, owner="export")
        if in_file is not None:
            _expect_no_network(in_file)
        found = subject(name) if in_file is None else subject_of(in_file, owner="export")
    except UnknownComponentError:
        if "." in name:
            return _imported(name)
        refuse_file(name, owner="export")
        raise
    if found.kind != "optimizers":
        raise ChainruleError(f"export: the component must be an optimizer, got {found.label}. Name one.")
    return found


def _expect_no_network(found: InFile) -> None:
    if not isinstance(found.value, Network | Module | torch.nn.Module):
        return
    built = f"{found.name}.build()" if isinstance(found.value, Module) else found.name
    is_torchs = isinstance(found.value, torch.nn.Module)
    fix = "Name one, such as adam." if is_torchs else f"Write chainrule_torch.to_torch({built}) for its twin in torch."
    raise ChainruleError(f"export: {found.name} in {found.path} must be an optimizer, got a network. {fix}")


def _imported(path: str) -> Subject:
    """Return the optimizer at package.module.Class."""
    try:
        component: Callable[..., Any] = resolve_name(path)
    except Exception as error:
        refuse_file(path, owner="export")
        raise ChainruleError(
            f"export: a dotted path must lead to a class, got {path} ({one_line(error).rstrip('.')}). "
            "Write package.module.Class."
        ) from error
    component = getattr(component, "factory", component)  # of a class of chainrule_torch.optim
    return subject(component, kind="optimizers")
