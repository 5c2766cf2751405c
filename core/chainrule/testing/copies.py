"""Copies of a component by deepcopy, by pickle and from its repr."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Iterator
from typing import TypeVar

from chainrule.base.settings import Settings
from chainrule.testing.compare import expect_no_error

Component = TypeVar("Component")


def copies_of(component: Component) -> dict[str, Component]:
    """Return copies keyed by their names in messages; an instance of a class local to a function is not pickled."""
    cls, shown = type(component), repr(component)
    with expect_no_error(f"deepcopying {shown}"):
        copies = {"a deepcopy": copy.deepcopy(component)}
    if "<locals>" not in cls.__qualname__:
        with expect_no_error(f"pickling {shown}"):
            copies["a pickled copy"] = pickle.loads(pickle.dumps(component))  # noqa: S301 - pickled on this line
    with expect_no_error(f"evaluating the repr {shown}"):
        copies[f"the evaluated repr {shown}"] = eval(shown, {cls.__name__: cls})  # noqa: S307 - its own repr
    return copies


def settings_inside(component: object) -> Iterator[object]:
    """Yield the component, then the schedules and rules that it has as settings, at any depth."""
    yield component
    if isinstance(component, Settings):
        for field in dataclasses.fields(component):  # type: ignore[arg-type]  # every subclass is a dataclass
            inside = getattr(component, field.name)
            if isinstance(inside, Settings) or callable(inside):
                yield from settings_inside(inside)
