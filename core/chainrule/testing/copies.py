"""Copies of a component: by deepcopy, pickle, and evaluating its repr."""

from __future__ import annotations

import copy
import pickle
from typing import TypeVar

from chainrule.testing.compare import expect_no_error

Component = TypeVar("Component")


def copies_of(component: Component) -> dict[str, Component]:
    """Return the copies by their names in messages; pickle is left out for classes that it cannot import."""
    cls, shown = type(component), repr(component)
    with expect_no_error(f"a deepcopy of {shown}"):
        copies = {"a deepcopy": copy.deepcopy(component)}
    if "<locals>" not in cls.__qualname__:
        with expect_no_error(f"pickling {shown}"):
            copies["a pickled copy"] = pickle.loads(pickle.dumps(component))  # noqa: S301 - it was pickled here
    with expect_no_error(f"evaluating repr, {shown},"):
        copies[f"what repr says, {shown},"] = eval(shown, {cls.__name__: cls})  # noqa: S307 - the component's own text
    return copies
