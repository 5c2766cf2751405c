"""How the object of a record is imported, and the error for one that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

from chainrule.arguments import shown
from chainrule.calls import Explained, explain_construction_of_any
from chainrule.errors import AmbiguousComponentError, BlockedComponentError, BrokenComponentError, one_line
from chainrule.registry.component import Component
from chainrule.registry.contract import API
from chainrule.registry.kinds import HOOKS, KINDS, OUT_OF_SCOPE, kind_or_none, kinds_of_class

OF_ANOTHER = (AmbiguousComponentError, BlockedComponentError, BrokenComponentError)
"""The errors of an import that are about another component, and say how that is mended."""


def load_record(component: Component) -> Any:
    """Import and return the object of a record.

    Raises:
        BrokenComponentError: if it is written for another contract, fails to import, or is not what its kind asks
            for: a class or function, not a class of another kind; for names out of scope, a dict of texts.
    """
    if component.api not in (None, API):
        raise broken(
            component,
            f"it is written for contract {component.api}, but this chainrule has contract {API}",
            fix=f"Install another version of {component.distribution} or of chainrule.",
        )
    entry_point = metadata.EntryPoint(component.name, component.entry_point, f"chainrule.{component.kind}")
    if entry_point.pattern.match(entry_point.value) is None:
        raise broken(component, 'its entry point must be "package.module:Class"')
    try:
        found = entry_point.load()
    except (Exception, SystemExit) as error:
        needs = None
        if entry_point.extras and isinstance(error, ImportError):
            wanted = f"{component.distribution}[{','.join(entry_point.extras)}]"
            needs = f'Install its dependencies: pip install "{wanted}".'
        raise broken(component, one_line(error), error, fix=needs) from error
    if component.kind == OUT_OF_SCOPE:
        _check_reasons(component, found)
        return found
    is_instance = isinstance(found, Explained) or not callable(found)  # some components can be called
    if component.kind != HOOKS and is_instance:
        raise broken(component, f"it must be a class or a function, got a value of type {type(found).__name__}")
    if (kinds := kinds_of_class(found)) and component.kind not in kinds:
        parent = next(iter(kinds.values()))
        raise broken(component, f"it must be one of the {component.kind}, got a class that inherits from {parent}")
    if isinstance(found, type):
        explain_construction_of_any(found)
    return found


def _check_reasons(table: Component, found: object) -> None:
    """Raise BrokenComponentError unless a table of names out of scope holds reasons by name, and its own is a kind."""
    if kind_or_none(table.name) is None:
        raise broken(table, f"its name must be a kind, such as {KINDS[0]}")
    if not isinstance(found, Mapping) or not all(isinstance(text, str) for text in (*found, *found.values())):
        raise broken(table, f"it must be a dict of reasons, as text, by name, got {shown(found)}")


def broken(
    component: Component, cause: str, error: BaseException | None = None, *, fix: str | None = None
) -> BrokenComponentError:
    """Return the error for a record that cannot be loaded, for this cause."""
    owner = component.distribution
    fix = "" if isinstance(error, OF_ANOTHER) else f" {fix or f'Fix or reinstall {owner}.'}"
    problem = BrokenComponentError(
        f"{component.key} ({component.entry_point}) of {owner} {component.version} cannot be loaded: "
        f"{cause.rstrip('.')}.{fix}"
    )
    problem.__cause__ = error
    return problem
