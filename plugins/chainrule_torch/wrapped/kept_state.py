"""The state that an optimizer of PyTorch keeps for a parameter, as the tensors by name that a rule's state holds.

Each name begins with where the optimizer keeps it: ``state.exp_avg`` for the parameter, ``group.d`` in its group, and
``shared.k`` for all parameters. A number is a tensor whose name gives its type, ``group.step: int``, as is a tensor of
another dtype than the parameter's, both as integers of the same bits; text and tuples, which do not change, are part of
the name, ``state.shape: = (3, 2)``; and what stands in lists and dicts is named by its place,
``state.GG[0]`` and ``state.buffers{0.9}``.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule import ContractError, State
from chainrule.arguments import shown

OWN, GROUP, SHARED = "state.", "group.", "shared."
"""Where an optimizer keeps an entry, as the beginning of its name."""

VALUES: dict[str, Callable[[Tensor], Any]] = {
    "int": lambda bits: int(bits.item()),
    "float": lambda bits: bits.view(torch.float64).item(),
    "bool": lambda bits: bool(bits.item()),
    "NoneType": lambda _: None,
    "list": lambda _: [],
    "dict": lambda _: {},
}
"""What makes a Python value of each type from its bits; lists and dicts are empty."""

BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The integers of each size in bytes."""

_PART = re.compile(r"\[(\d+)\]|\{(.+?)\}")


def as_tensors(owner: str, parts: Mapping[str, Mapping[str, Any]], dtype: torch.dtype) -> State:
    """Return what an optimizer keeps, by where it keeps it, as tensors by name, floating-point ones of this dtype.

    Raises:
        ContractError: if it keeps anything but tensors, numbers, text, tuples, lists and dicts.
    """
    found: State = {}
    for part, entries in parts.items():
        for key, entry in entries.items():
            if isinstance(entry, Tensor) and entry.dtype == dtype:  # as nearly all are
                found[part + key] = entry.detach()
            else:
                found.update(_tensors(owner, f"{part}{key}", entry, dtype))
    return found


def in_parts(state: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Return what an optimizer keeps by where it keeps it, from its tensors by name."""
    parts: dict[str, dict[str, Any]] = {OWN: {}, GROUP: {}, SHARED: {}}
    for name, tensor in state.items():
        part, at, keys, kind = _place(name)
        container: Any = parts[part]
        for key in keys:
            container = _inside(container, at, [] if isinstance(key, _Index) else {})
            at = key
        _put(container, at, _value(kind, tensor) if kind else tensor)
    return parts


def _tensors(owner: str, name: str, value: Any, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    kind = type(value).__name__
    if isinstance(value, Tensor) and value.is_floating_point() and value.dtype != dtype:
        bits = value.detach().view(BITS[value.element_size()])
        yield f"{name}: {str(value.dtype).removeprefix('torch.')}", bits
    elif isinstance(value, Tensor):
        yield name, value.detach()
    elif value and kind == "list":
        for i, item in enumerate(value):
            yield from _tensors(owner, f"{name}[{i}]", item, dtype)
    elif value and kind == "dict" and all(isinstance(key, str | int | float) for key in value):
        for key, item in value.items():
            yield from _tensors(owner, f"{name}{{{key!r}}}", item, dtype)
    elif kind in VALUES:
        number = value if isinstance(value, int | float) else 0
        held = torch.tensor(number, dtype=torch.float64 if kind == "float" else torch.int64, device="cpu")
        yield f"{name}: {kind}", held.view(torch.int64)
    elif isinstance(value, str | tuple) and _is_literal(repr(_plain(value))):
        yield f"{name}: = {_plain(value)!r}", torch.zeros((), dtype=torch.int64, device="cpu")
    else:
        raise ContractError(
            f"{owner}: the optimizer's state must hold tensors and numbers, got {shown(value)} as {name}. "
            "Wrap another optimizer."
        )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, tuple) else value


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


class _Index(int):
    """A place in a list, where an int is a key of a dict."""


@functools.lru_cache(maxsize=1024)
def _place(name: str) -> tuple[str, Any, tuple[Any, ...], str]:
    """Return where the tensor of a name is kept: the part, the entry, and the keys and indices within; and its type."""
    path, _, kind = name.partition(": ")
    part = next(part for part in (OWN, GROUP, SHARED) if path.startswith(part))
    path = path.removeprefix(part)
    first = _PART.search(path)
    keys = (_Index(index) if index else ast.literal_eval(key) for index, key in _PART.findall(path))
    return part, path[: first.start()] if first else path, tuple(keys), kind


def _value(kind: str, tensor: Tensor) -> Any:
    if kind.startswith("= "):
        return ast.literal_eval(kind[2:])
    return VALUES[kind](tensor) if kind in VALUES else tensor.view(getattr(torch, kind))


def _inside(container: Any, at: Any, empty: Any) -> Any:
    """Return the list or dict at a place, put there if need be."""
    if isinstance(container, list):
        if at == len(container):
            container.append(empty)
    else:
        container.setdefault(at, empty)
    return container[at]


def _put(container: Any, at: Any, value: Any) -> None:
    if isinstance(container, list):
        container.append(value)  # entries are in the order of the list
    else:
        container[at] = value
