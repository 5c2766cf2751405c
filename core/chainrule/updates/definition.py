"""`definition`: what a rule's code is at present, by which caches tell a rule that was edited from the one before."""

from __future__ import annotations

import dis
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from numbers import Number
from types import CellType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer
from chainrule.base.wrapper import layers_of
from chainrule.calls import Explained

FOREIGN = frozenset({"chainrule", "torch", "numpy", *sys.stdlib_module_names} - {"__main__"})
"""Packages that nobody edits beside a running fit."""

CONSTANTS = (Number, str, bytes, type(None), type(...), range, slice, torch.dtype, torch.device, np.dtype)


def definition(rule: Optimizer) -> tuple[object, ...]:
    """Return the code of a rule's methods and of all functions that they call by name, with the constants these use.

    In a notebook a class may be changed in place, and a function or a constant that it uses defined anew, or a setting
    of a dict or an object, while the class and its settings stay the same.
    """
    layers = layers_of(rule)
    functions = [value for layer in layers for value in vars(layer).values() if callable(value)]
    return code_of(*map(type, layers), *functions)


def code_of(*owners: object) -> tuple[object, ...]:
    """Return the code of functions and of classes' methods, and of what they use, as `definition` does."""
    return tuple(map(_identified, used_by(*owners)))


def _identified(value: Any) -> object:
    if isinstance(value, FunctionType):
        return value.__code__
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype, value.shape, value.tobytes()
    return id(value) if isinstance(value, Tensor) else repr(value)  # its values are read from it at every step


def used_by(*owners: object) -> Iterator[Any]:
    """Yield functions and the methods of classes, with all functions and constants that these use by name.

    What they use uses others in turn; constants in tuples, lists, sets, dicts, classes and objects are among them.
    """
    found: list[Any] = list(owners)
    seen: dict[int, Any] = {}  # which keeps them, so that no other has the same id
    while found:
        value = found.pop()
        if isinstance(value, CONSTANTS):
            yield value
        elif id(value) not in seen:
            seen[id(value)] = value
            is_code = isinstance(value, FunctionType) and not _is_foreign(value)
            if is_code or isinstance(value, Tensor | np.ndarray | np.generic):
                yield value
            with suppress(Exception):  # of an object that cannot be read whole, such as a config that lacks a value
                for part in _inside(value):
                    found.append(part)


def _inside(value: Any) -> Iterator[Any]:
    """Yield what an object consists of, as far as somebody may edit it."""
    is_mapping = isinstance(value, dict | MappingProxyType) or (
        isinstance(value, Mapping) and not _is_foreign(type(value))  # os.environ decides nothing
    )
    if is_mapping or isinstance(value, tuple | list | deque | set | frozenset):
        yield f"{type(value).__name__} of {len(value)}"
    if is_mapping:
        yield from (part for item in value.items() for part in item)
    elif isinstance(value, tuple | list | deque):
        yield from value
    elif isinstance(value, set | frozenset):
        yield from sorted(value, key=lambda item: re.sub(" at 0x[0-9a-f]+", "", repr(item)))
    elif isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, property):
        yield value.fget
    elif isinstance(value, MethodType | classmethod | staticmethod):
        yield from (value.__func__, getattr(value, "__self__", None))
    elif isinstance(value, type):
        for kind in value.__mro__:
            if not _is_foreign(kind):
                yield from (item for name, item in vars(kind).items() if _counts(kind, name, item))
    elif isinstance(value, FunctionType):
        if not _is_foreign(value):
            yield from _used(value)
    elif isinstance(value, SimpleNamespace) or not _is_foreign(type(value)):
        yield type(value)
        yield getattr(value, "__dict__", None)
        for name in (name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())):
            yield getattr(value, name, None)
    if callable(value):
        yield getattr(value, "__dict__", {}).get("__wrapped__")  # what a decorator was applied to
        if not isinstance(value, FunctionType) or _is_foreign(value):
            yield f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', getattr(value, '__name__', ''))}"


def _counts(kind: type, name: str, member: object) -> bool:
    """Whether a member of a class may decide what is computed; operators of components are those of their parents."""
    if not name.startswith("__"):
        return True
    return name == "__call__" if issubclass(kind, Explained) else isinstance(member, FunctionType)


def _is_foreign(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] in FOREIGN


def _used(function: FunctionType) -> Iterator[Any]:
    """Yield the defaults of a function, and what it takes from the functions and the module around it."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        if cell != CellType():  # a name that is not assigned yet
            yield cell.cell_contents
    for code in _codes(function.__code__):
        yield from _named(code, function.__globals__)


def _named(code: CodeType, around: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the values of the global names in some code; of modules, what they have under any name in it."""
    found = [around.get(name) for name in _global_names(code)]
    modules: list[ModuleType] = []
    while found:
        value = found.pop()
        if not isinstance(value, ModuleType):
            yield value
        elif value not in modules and value.__name__.partition(".")[0] not in FOREIGN:
            modules.append(value)
            found += [vars(value).get(name) for name in code.co_names]


@lru_cache(maxsize=4096)
def _global_names(code: CodeType) -> list[str]:
    return sorted({one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"})


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code and that of the functions defined within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
