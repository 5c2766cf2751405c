"""The ways in which a component is made anew: deepcopy, pickle, and the Python that repr shows."""

from __future__ import annotations

import copy
import pickle
from typing import TypeVar

from chainrule.testing.compare import expect_no_error

Component = TypeVar("Component")


def copies_of(component: Component) -> dict[str, Component]:
    """Return the copies, each under what it is called in messages; pickle is left out where no class can be found."""
    cls, shown = type(component), repr(component)
    with expect_no_error(f"a deepcopy of {shown}"):
        copies = {"a deepcopy": copy.deepcopy(component)}
    if "<locals>" not in cls.__qualname__:
        with expect_no_error(f"pickling {shown}"):
            copies["a pickled copy"] = pickle.loads(pickle.dumps(component))  # noqa: S301 - it was pickled here
    with expect_no_error(f"evaluating repr, {shown},"):
        copies[f"what repr says, {shown},"] = eval(shown, {cls.__name__: cls})  # noqa: S307 - the component's own text
    return copies
