"""`Snapshot`: the Python state of modules and losses; `Watch`, which notices changes between steps."""

from __future__ import annotations

import inspect
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from chainrule.base.buffer import Buffer
from chainrule.base.class_attributes import slot_names
from chainrule.base.generators import GENERATORS, random_states, state_of_generator
from chainrule.base.parameter import Parameter
from chainrule.base.random_numbers import Random
from chainrule.base.saved_tensors import BOOKKEEPING, KeepsForBackward
from chainrule.base.setting_values import equal
from chainrule.errors import label
from chainrule.updates.updater import Updater

DECLARED = (Tensor, Parameter, Buffer, Random, type)
"""Kinds of object whose inside is not looked at, since tensors that a module declares may change."""


BUILT_IN = (int, float, complex, str, bytes, type(None))
"""Kinds of value that hold nothing."""


class Snapshot:
    """A copy of the Python state reachable from some objects, to detect later changes."""

    def __init__(self, owners: Sequence[object]) -> None:
        self._containers = [(path, container, _copied(container)) for path, container in _containers(owners)]
        counted = {id(vars(owner)) for owner in owners if isinstance(owner, KeepsForBackward)}
        self._uncounted = [
            one
            for one in self._containers
            if _changes_in_place(one[1]) or (id(one[1]) not in counted and not _holds_parts(one[1]))
        ]
        self._random = random_states()
        self._drawn = [
            (f"{path}.{key}", value, state)
            for path, container, _ in self._containers
            for key, value in _items(container).items()
            if (state := state_of_generator(value)) is not None
        ]

    def difference(self, *, among_random: bool = True, uncounted: bool = False) -> str | None:
        """Return the path of the first value that has changed (tensors by identity, all else by value), or None.

        A generator of random numbers that was drawn from has changed too, but only where among_random. With
        uncounted=True it looks only where a change is not counted: into lists, dicts, sets, arrays and foreign objects.
        """
        if among_random and random_states() != self._random:
            return "the state of Python's or numpy's random numbers"
        for path, generator, before in self._drawn if among_random else ():
            if not equal(state_of_generator(generator), before):
                return path
        for path, container, then in self._uncounted if uncounted else self._containers:
            now = _items(container)
            for key in now.keys() | then.keys():
                if key not in BOOKKEEPING and not (key in now and key in then and _is_same(now[key], then[key])):
                    return f"{path}.{key}"
        return None


class Watch:
    """Finds out whether a recorded step is out of date: whether a setting of a module, the loss or the updater changed.

    Set attributes are counted, so that nothing is walked where none was set.
    """

    def __init__(self, owners: Sequence[object], updater: Updater) -> None:
        self._snapshot = Snapshot(owners)
        self._updater = updater
        self._settings = updater.settings
        self._flat, self._applied = updater.network.flat, updater.applied_rules
        self._count = KeepsForBackward.changes

    def sees_changes(self) -> bool:
        """Return whether something has changed since it was created."""
        count, self._count = self._count, KeepsForBackward.changes
        is_counted = count != self._count
        updater = self._updater
        are_others = updater.network.flat is not self._flat or updater.applied_rules is not self._applied
        return (
            are_others
            or updater.settings != self._settings
            or bool(self._snapshot.difference(among_random=False, uncounted=not is_counted))
        )


def undeclared_tensors(owners: Sequence[object]) -> dict[str, Tensor]:
    """Return the tensors that the owners hold beside those that they declare, by path."""
    return {
        f"{path}.{key}": value
        for path, container in _containers(owners)
        for key, value in _items(container).items()
        if isinstance(value, Tensor) and key not in BOOKKEEPING
    }


def _containers(owners: Sequence[object]) -> Iterator[tuple[str, Any]]:
    """Yield every container once, with the path that leads to it."""
    found: list[tuple[str, Any]] = []
    named: Counter[str] = Counter()
    for owner in owners:
        name = label(owner)
        named[name] += 1
        found.append((name if named[name] == 1 else f"{name} {named[name]}", vars(owner)))
    seen = set()
    while found:
        path, container = found.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        if not isinstance(container, tuple) or _changes_in_place(container):
            yield path, container
        for key, value in _items(container).items():
            if isinstance(value, dict | list | set | tuple | deque):
                found.append((f"{path}.{key}", value))
            elif hasattr(value, "__dict__") and not isinstance(value, DECLARED) and not inspect.isroutine(value):
                found.append((f"{path}.{key}", vars(value)))
            elif slot_names(type(value)) and not isinstance(value, (*DECLARED, *BUILT_IN)):
                found.append((f"{path}.{key}", value))


def _holds_parts(container: Any) -> bool:
    """Whether a container holds modules and what they declare alone, which a built network never exchanges."""
    return all(isinstance(item, (*DECLARED, KeepsForBackward)) for item in _items(container).values())


def _changes_in_place(container: Any) -> bool:
    """Whether what a container holds may change where no other container tells of it: arrays and generators."""
    return any(_is_array(item) or isinstance(item, GENERATORS) for item in _items(container).values())


def _is_array(item: object) -> bool:
    """Whether it is an array that somebody may write to; those of a file are too large to look through."""
    if isinstance(item, np.ndarray):
        return item.flags.writeable and not isinstance(item, np.memmap)
    return isinstance(item, bytearray)


def _copied(container: Any) -> dict[Any, Any]:
    """Return the items of a container, its arrays copied."""
    return {key: one.copy() if _is_array(one) else one for key, one in _items(container).items()}


def _items(container: Any) -> dict[Any, Any]:
    if isinstance(container, dict):
        return container
    if isinstance(container, set):
        return {value: value for value in container}
    if isinstance(container, list | tuple | deque):
        return dict(enumerate(container))
    return {name: getattr(container, name) for name in slot_names(type(container)) if hasattr(container, name)}


def _is_same(now: object, then: object) -> bool:
    if now is then:
        return True
    if isinstance(now, np.ndarray) and isinstance(then, np.ndarray):  # NaN is the same as NaN
        return now.dtype == then.dtype and now.shape == then.shape and now.tobytes() == then.tobytes()
    return not isinstance(now, Tensor) and equal(now, then)
