"""`definition`: what a rule's code is at present, by which caches tell a rule that was edited from the one before."""

from __future__ import annotations

import dis
import inspect
import re
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache, partial, singledispatchmethod
from numbers import Number
from types import CellType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.base.class_attributes import slot_names
from chainrule.base.optimizer import Optimizer
from chainrule.base.wrapper import layers_of
from chainrule.calls import Explained

FOREIGN = frozenset({"chainrule", "torch", "numpy"})
"""Packages that nobody edits beside a running fit, beside Python's own and those that are installed."""

CONSTANTS = (Number, str, bytes, bytearray, type(None), type(...), range, slice, torch.dtype, torch.device, np.dtype)

LONGEST = 2000
"""The most characters that stand for an object of another package."""


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

    What they use uses others in turn; constants in tuples, lists, sets, dicts, classes and objects are among them. Of
    an installed package that is none of the owners' own, only the names of what is used.
    """
    kinds = [kind for owner in owners for kind in (owner.__mro__ if isinstance(owner, type) else (owner,))]
    own = {_package(kind) for kind in kinds} - FOREIGN - sys.stdlib_module_names
    is_foreign = lru_cache(maxsize=None)(lambda package: package not in own and _is_foreign(package))
    found: list[Any] = list(owners)
    seen: dict[int, tuple[int, Any]] = {}  # with the objects, so that no other has the same id
    while found:
        value = found.pop()
        if isinstance(value, CONSTANTS):
            yield value
        elif id(value) in seen:
            yield f"the same as {seen[id(value)][0]}"
        else:
            seen[id(value)] = len(seen), value
            is_code = isinstance(value, FunctionType) and not is_foreign(_package(value))
            if is_code or isinstance(value, Tensor | np.ndarray | np.generic):
                yield value
            with suppress(Exception):  # of an object that cannot be read whole, such as a config that lacks a value
                for part in _inside(value, is_foreign):
                    found.append(part)


def _inside(value: Any, is_foreign: Callable[[str], bool]) -> Iterator[Any]:
    """Yield what an object consists of, as far as somebody may edit it."""
    if isinstance(value, dict | MappingProxyType):
        yield f"{type(value).__name__} of {len(value)}"
        yield from (part for item in value.items() for part in item)
    elif isinstance(value, tuple | list | deque):
        yield f"{type(value).__name__} of {len(value)}"
        yield from value
    elif isinstance(value, set | frozenset):
        yield f"{type(value).__name__} of {len(value)}"
        yield from sorted(value, key=_without_address)
    elif isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, property):
        yield value.fget
    elif isinstance(value, cached_property | singledispatchmethod):
        yield value.func
    elif isinstance(value, MethodType | classmethod | staticmethod):
        yield from (value.__func__, getattr(value, "__self__", None))
    elif isinstance(value, FunctionType):
        if is_foreign(_package(value)):
            yield _name(value)
        else:
            yield from _used(value, is_foreign)
    elif isinstance(value, type):
        yield from (_name(kind) for kind in value.__mro__[:1])
        for kind in value.__mro__:
            if not is_foreign(_package(kind)):
                yield from (item for name, item in vars(kind).items() if _counts(kind, name, item))
    elif isinstance(value, Mapping) and not is_foreign(_package(type(value))):
        yield from (part for item in value.items() for part in item)
    elif isinstance(value, SimpleNamespace) or not is_foreign(_package(type(value))):
        yield type(value)
        yield getattr(value, "__dict__", None)
        for name in slot_names(type(value)):
            yield getattr(value, name, None)
    elif hasattr(value, "__wrapped__"):
        yield value.__wrapped__  # what functools.lru_cache, for one, was applied to
    elif inspect.isroutine(value) or isinstance(value, np.ufunc):
        yield _name(value)
    elif not isinstance(value, Tensor | np.ndarray | np.generic | ModuleType | Mapping):
        yield _without_address(value)[:LONGEST]


def _counts(kind: type, name: str, member: object) -> bool:
    """Whether a member of a class may decide what is computed; operators of components are those of their parents."""
    if not name.startswith("__"):
        return True
    return name == "__call__" if issubclass(kind, Explained) else isinstance(member, FunctionType)


def _without_address(value: object) -> str:
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', getattr(value, '__name__', ''))}"


def _package(value: Any) -> str:
    """Return the name of the package in which a class or a function was written."""
    module = value.__globals__.get("__name__") if isinstance(value, FunctionType) else getattr(value, "__module__", "")
    return str(module).partition(".")[0]


@lru_cache(maxsize=1024)
def _is_foreign(package: str) -> bool:
    """Whether nobody edits a package beside a running fit: one of Python's own, or installed among others'."""
    module = sys.modules.get(package)
    places = [*getattr(module, "__path__", ()), getattr(module, "__file__", None) or ""]
    if package in FOREIGN or package in sys.builtin_module_names:
        return package != "__main__"
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return package != "__main__" and any(str(place).startswith(tuple(folders)) for place in places)


def _used(function: FunctionType, is_foreign: Callable[[str], bool]) -> Iterator[Any]:
    """Yield what belongs to a function, and what it takes from the functions and the modules around it."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()  # what a decorator was applied to, and its own attributes
    for cell in function.__closure__ or ():
        if cell != CellType():  # a name that is not assigned yet
            yield cell.cell_contents
    for code in _codes(function.__code__):
        yield from _named(code, function.__globals__, is_foreign)


def _named(code: CodeType, around: Mapping[str, Any], is_foreign: Callable[[str], bool]) -> Iterator[Any]:
    """Yield the values of the global names in some code; of modules, what they have under any name in it."""
    names, imports = _names(code)
    found = [around.get(name) for name in names]
    found += [
        sys.modules.get(f"{prefix}{name}") for name in imports for prefix in ("", f"{around.get('__package__')}.")
    ]
    modules: list[ModuleType] = []
    while found:
        value = found.pop()
        if not isinstance(value, ModuleType):
            yield value
        elif value not in modules and not is_foreign(value.__name__.partition(".")[0]):
            modules.append(value)
            found += [vars(value).get(name) for name in code.co_names]


@lru_cache(maxsize=4096)
def _names(code: CodeType) -> tuple[list[str], list[str]]:
    """Return the global names that some code reads, and the modules that it imports."""
    read = [(one.opname, one.argval) for one in dis.get_instructions(code)]
    names, imports = ({name for kind, name in read if kind == wanted} for wanted in ("LOAD_GLOBAL", "IMPORT_NAME"))
    return sorted(names), sorted(imports)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code and that of the functions defined within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
