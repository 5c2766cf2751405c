"""Generators of random numbers that are none of torch's streams: those that a process shares, and their state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Generator


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
    """Return the state of a generator of Python, numpy or torch, to be compared; None for anything else."""
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in value.get_state(legacy=True))
    if isinstance(value, Generator):
        return value.get_state().numpy().tobytes()
    return value.getstate() if isinstance(value, random.Random) else None
