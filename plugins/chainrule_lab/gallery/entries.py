"""The components on the page, read from the registry, with those that are left out and the reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from chainrule import ChainruleError, Component, registry
from chainrule.base.settings import Settings
from chainrule.errors import label, one_line
from chainrule.formulas import docstring_of, sections
from chainrule.registry.component import OWN_DISTRIBUTION
from chainrule.registry.kinds import kind_or_none
from chainrule.testing import subject

KINDS = ("activations", "schedules", "optimizers")
"""The kinds that have a picture, in the page's order."""

T = TypeVar("T")


@dataclass(frozen=True)
class LeftOut:
    """A component that is not shown, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """A component with the text about it.

    Attributes:
        component: its record.
        loaded: the class or factory.
        summary: the first line of its docstring.
        sections: the docstring's sections by heading.
    """

    component: Component
    loaded: Any
    summary: str
    sections: dict[str, str]

    @property
    def name(self) -> str:
        """Its bare name, or with its package where others have the same."""
        is_alone = registry.state(self.component) == "declared"
        return self.component.name if is_alone else self.component.full_name

    @property
    def anchor(self) -> str:
        """Its address on the page."""
        return f"{self.component.kind}-{self.name.replace(':', '-')}"

    @property
    def package(self) -> str:
        """The package of a third party's component; empty for chainrule's own."""
        component = self.component
        if component.distribution == OWN_DISTRIBUTION:
            return ""
        return f"{component.distribution} {component.version}".rstrip()

    def examples(self) -> list[Any]:
        """Return new instances, of activations each with an input."""
        return list(subject(self.loaded, kind=self.component.kind).make_examples())


def chosen(names: Sequence[str]) -> list[Component]:
    """Return the records of the components and kinds that are named, or of all with a picture, sorted.

    Raises:
        ChainruleError: if a name is unknown, or of a kind without a picture.
    """
    found: list[Component] = []
    for name in names or KINDS:
        kind = kind_or_none(name)
        of_kind = (
            [component for component in registry.components(kind) if not component.foreign] if kind in KINDS else []
        )
        found += of_kind if kind in KINDS else [_named(name)]
    usable = [component for component in dict.fromkeys(found) if registry.state(component) != "blocked"]
    return sorted(usable, key=lambda component: (KINDS.index(component.kind), component.name, component.distribution))


def _named(name: str) -> Component:
    kind = kind_or_none(name)
    component = None if kind is not None else registry.resolve(name)
    if component is None or component.kind not in KINDS:
        raise ChainruleError(
            f"gallery: a component must be one of the {', '.join(KINDS)}, got {component.key if component else kind}. "
            "Leave it out."
        )
    return component


def entry(component: Component) -> Entry:
    """Load a component.

    Raises:
        BrokenComponentError: if it cannot be loaded.
        UnknownComponentError: if its name is not valid.
    """
    loaded = registry.get(component.kind, component.full_name)
    docstring = docstring_of(loaded)
    return Entry(component, loaded, docstring.partition("\n")[0], sections(docstring))


def shown_or_left_out(component: Component, show: Callable[[Entry], T], left_out: list[LeftOut]) -> T | None:
    """Return what a function makes of a component; None if anything fails, which is then noted with the reason."""
    try:
        return show(entry(component))
    except Exception as error:  # noqa: BLE001 - whatever a third party's component raises
        reason = str(error) if isinstance(error, ChainruleError) else one_line(error)
        left_out.append(LeftOut(component.key, reason))
        return None


def call_of(instance: object) -> str:
    """Return the call that makes an instance, without defaults: ``lookahead(inner=sgd(momentum=0.9), k=2)``."""
    if not isinstance(instance, Settings) or not dataclasses.is_dataclass(instance):
        shown = repr(instance)
        cls = type(instance).__name__
        return label(instance) + shown.removeprefix(cls) if shown.startswith(f"{cls}(") else shown
    arguments = []
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if not _is_default(value, field.default):
            arguments.append(f"{field.name}={call_of(value) if isinstance(value, Settings) else repr(value)}")
    return f"{label(instance)}({', '.join(arguments)})"


def _is_default(value: Any, default: Any) -> bool:
    try:
        return value is default or bool(value == default)
    except (RuntimeError, TypeError, ValueError):  # such as tensors of several numbers
        return False
