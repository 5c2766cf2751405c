"""Wrong components, each made wrong in one way, with the check that must notice.

A file for each kind, or for one mistake in several, holds a list, `MUTANTS`; a class enters it by the decorator that
`collect` returns:

    MUTANTS, wrong = collect("layers")

    @wrong("parameter_gradients_accumulate")
    class Overwriting(Linear): ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

Component = TypeVar("Component", bound=Callable[..., Any])


@dataclass(frozen=True)
class Mutant:
    """A wrong component.

    Attributes:
        component: the class or factory.
        kind: such as "layers".
        check: the name of the check that must fail.
        settings: further arguments of `subject`, such as the reference of an optimizer.
    """

    component: Callable[..., Any]
    kind: str
    check: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}-{self.component.__name__}-{self.check}"


def collect(kind: str) -> tuple[list[Mutant], Callable[..., Callable[[Component], Component]]]:
    """Return an empty list, and a decorator that adds a component of this kind with the check that it must fail."""
    mutants: list[Mutant] = []

    def wrong(check: str, **settings: Any) -> Callable[[Component], Component]:
        def add(component: Component) -> Component:
            mutants.append(Mutant(component, kind, check, settings))
            return component

        return add

    return mutants, wrong


def every_mutant() -> list[Mutant]:
    """Return the mutants of all files in this folder."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return [mutant for name in names for mutant in import_module(f"{__name__}.{name}").MUTANTS]
