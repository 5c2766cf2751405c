"""The form of a rule: all that decides on which of its paths the core runs, saves and loads it.

Whether a rule compiles into a step, goes into each wrapper or passes a check of many runs takes seconds to find out,
and depends on the form more than on the formula, which its oracle and the quick checks cover. The normal suite tries
the first rule of each form, by name, and the slow suite, `pytest -m slow`, the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from chainrule import Optimizer, Wrapper
from chainrule.updates.watching import is_elementwise

METHODS = ("init", "scalars", "reduce", "update", "apply", "evaluation_parameter")
AROUND = ("change_gradient", "change_direction", "after_step")


@cache
def form(rule: type[Optimizer]) -> tuple[object, ...]:
    """Return what a rule declares of how it may be run, and which methods it has of its own."""
    own = tuple(name for name in METHODS if getattr(rule, name) is not getattr(Optimizer, name))
    if issubclass(rule, Wrapper):
        own += tuple(name for name in AROUND if getattr(rule, name) is not getattr(Wrapper, name))
    return is_elementwise(rule.examples()[0]), rule.vmappable, rule.ranks == Optimizer.ranks, own


def first_of_each_form(rules: Iterable[type[Optimizer]]) -> set[type[Optimizer]]:
    """Return of each form the first rule, in the order given."""
    found: dict[tuple[object, ...], type[Optimizer]] = {}
    for rule in rules:
        found.setdefault(form(rule), rule)
    return set(found.values())
