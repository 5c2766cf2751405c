"""Generators of random numbers that are no module's streams: the global ones, and any that an object holds."""

from __future__ import annotations

import inspect
import random
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import Generator, Tensor

from chainrule.base.class_attributes import slot_names

GENERATORS = (np.random.Generator, np.random.RandomState, Generator, random.Random)

WITHOUT_PARTS = (Tensor, np.ndarray, ModuleType, type, str, bytes, int, float, type(None))
"""Kinds of value that are many and hold no generator, or that others share."""


def random_states() -> tuple[Any, Any]:
    """Return the states of Python's and numpy's global generators."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    return random.getstate(), (kind, tuple(map(int, keys)), *rest)


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Put the states of Python's and numpy's global generators back at the end."""
    python, numpy = random_states()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def state_of_generator(value: object) -> Any:
    """Return the state of a generator of Python, numpy or torch, of plain values; None for anything else."""
    if isinstance(value, random.SystemRandom):  # which has none
        return None
    if isinstance(value, np.random.Generator):
        return _plain(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return _plain(value.get_state(legacy=True))
    if isinstance(value, Generator):
        return value.get_state()
    return value.getstate() if isinstance(value, random.Random) else None


def set_state_of_generator(value: Any, state: Any) -> None:
    """Set what `state_of_generator` returned."""
    if isinstance(value, np.random.Generator):
        value.bit_generator.state = state
    elif isinstance(value, random.Random):
        value.setstate(state)
    else:
        value.set_state(state)


def generators_in(value: object) -> Iterator[object]:
    """Yield the generators that an object holds at any depth, such as a DataLoader's and its sampler's, each once."""
    found, seen = [value], dict[int, object]()
    while found:
        one = found.pop()
        if id(one) in seen or isinstance(one, WITHOUT_PARTS):
            continue
        seen[id(one)] = one
        if isinstance(one, GENERATORS) and not isinstance(one, random.SystemRandom):
            yield one
        else:
            with suppress(Exception):  # of attributes that cannot be read
                found += _parts_of(one)


def _parts_of(value: Any) -> Iterable[object]:
    if isinstance(value, list | tuple | set | deque):
        return value
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    if isinstance(value, FunctionType):
        return value.__defaults__, value.__kwdefaults__, enclosed(value)
    if inspect.isroutine(value):
        return (getattr(value, "__self__", None),)
    slots = [getattr(value, name, None) for name in slot_names(type(value))]
    return [*getattr(value, "__dict__", {}).values(), *slots]


def enclosed(function: FunctionType) -> list[Any]:
    """Return the values that a function closes over, but for those of variables that are not yet assigned."""
    return [cell.cell_contents for cell in function.__closure__ or () if cell != CellType()]


def _plain(state: Any) -> Any:
    """Return a state of numpy with lists in place of arrays."""
    if isinstance(state, dict):
        return {name: _plain(part) for name, part in state.items()}
    if isinstance(state, tuple):
        return tuple(map(_plain, state))
    return state.tolist() if isinstance(state, np.ndarray) else state
