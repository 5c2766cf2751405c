"""`definition`: what a rule's code is at present, by which caches tell a rule that was edited from the one before."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import lru_cache, partial
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from torch import Tensor

from chainrule.base.optimizer import Optimizer
from chainrule.base.wrapper import layers_of

FOREIGN = ("chainrule", "torch", "numpy")
"""Packages that nobody edits beside a running fit."""


def definition(rule: Optimizer) -> tuple[object, ...]:
    """Return the code of a rule's methods and of all functions that they call by name, with the constants these use.

    In a notebook a class may be changed in place, and a function or a constant that it uses defined anew, while the
    class and its settings stay the same.
    """
    return code_of(*map(type, layers_of(rule)))


def code_of(*classes: type) -> tuple[object, ...]:
    """Return the code of these classes' methods, and of what they use, as `definition` does."""
    kinds = [kind for each in classes for kind in each.__mro__ if kind.__module__.partition(".")[0] not in FOREIGN]
    found = [value for kind in kinds for name, value in vars(kind).items() if not name.startswith("__")]
    parts: list[object] = []
    seen: set[int] = set()
    while found:
        value = found.pop()
        if isinstance(value, FunctionType):
            if id(value) not in seen and value.__module__.partition(".")[0] not in FOREIGN:
                seen.add(id(value))
                parts.append(value.__code__)
                found += _used(value)
        elif isinstance(value, partial):
            found += [value.func, *value.args, *value.keywords.values()]
        elif isinstance(value, property):
            found.append(value.fget)
        elif isinstance(value, tuple | list):
            found += value
        elif isinstance(value, int | float | str | None):
            parts.append(repr(value))
        elif isinstance(value, Tensor):
            parts.append(id(value))
        if callable(value):
            found.append(getattr(value, "__wrapped__", None))  # what a decorator was applied to
    return tuple(parts)


def _used(function: FunctionType) -> Iterator[Any]:
    """Yield the defaults of a function, and what it takes from the functions and the module around it."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        if cell != CellType():  # a name that is not assigned yet
            yield cell.cell_contents
    for code in _codes(function.__code__):
        for name in _global_names(code):
            value = function.__globals__.get(name)
            yield value
            if isinstance(value, ModuleType) and value.__name__.partition(".")[0] not in FOREIGN:
                yield from (vars(value).get(attribute) for attribute in code.co_names)


@lru_cache(maxsize=4096)
def _global_names(code: CodeType) -> list[str]:
    return sorted({one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"})


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code and that of the functions defined within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
