"""What tells one run from another: the settings of a fit as text that is the same in every process."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

import chainrule
from chainrule.arguments import LONGEST
from chainrule.base.generators import enclosed
from chainrule.base.module import Module, named_modules
from chainrule.base.parameter import Parameter
from chainrule.base.settings import Settings
from chainrule.calls import signature_of
from chainrule.network import Network
from chainrule.training.batches import Data, is_pair

SAMPLE = 2**18
"""The most elements of a tensor that its checksum is of, spread over all of it."""

SCATTER = 2654435761
"""A factor after which neighbours in a sample lie at places that have no pattern."""

FOLLOWS = {"parameters": "network", "seeds": "members"}
"""Settings that are not named where another differs, from which they follow."""


def described(value: Any, around: tuple[int, ...] = (), *, of_settings: bool = False) -> str:
    """Return text that differs if the value does, the same in every process.

    Args:
        value: anything.
        around: the objects that hold it.
        of_settings: whether it is a setting of a component, such as a schedule, which does not count in training.
    """
    if id(value) in around:
        return "…"
    is_held = of_settings or isinstance(value, Settings)
    inner = partial(described, around=(*around, id(value)), of_settings=is_held)
    if isinstance(value, Settings):
        named = [f"{field.name}={inner(getattr(value, field.name))}" for field in fields(value)]  # type: ignore[arg-type]  # every subclass is a dataclass
        return f"{type(value).__name__}({', '.join(named)})"
    if isinstance(value, Tensor):
        return str(value.tolist()) if value.numel() <= 8 else _whole(value)
    if isinstance(value, np.ndarray):
        shown = value.tolist() if value.size <= 8 or value.dtype.hasobject else f"with checksum {_sum_of(value)}"
        return f"{value.shape} of {value.dtype} {shown}"
    if isinstance(value, Mapping):
        items = [f"{key if isinstance(key, str) else inner(key)}: {inner(one)}" for key, one in value.items()]
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inner, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, Module):
        return _without_address(value) + "".join(f", {name} {inner(one)}" for name, one in _numbers_given(value))
    if isinstance(groups := getattr(value, "groups", None), Mapping):
        return inner(groups)
    if isinstance(value, partial):
        return f"partial {inner([value.func, value.args, value.keywords])}"
    if isinstance(value, MethodType):
        return f"{value.__qualname__} of {inner(value.__self__)}"
    if isinstance(value, FunctionType):
        bound = [value.__defaults__, value.__kwdefaults__, enclosed(value)]
        inside = f"{_code(value.__code__)} {inner(bound)}"
        return f"{value.__qualname__} with checksum {zlib.crc32(inside.encode()):08x}"
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
        return f"{type(value).__name__} {inner(own)}"
    return _without_address(value) + (_attributes(value, inner) if of_settings else "")


def settings_of(network: Network, data: Mapping[str, Data], **settings: Any) -> dict[str, str]:
    """Return all on which a run depends, by name, as text."""
    names: dict[Parameter, list[str]] = {}
    for prefix, inside in named_modules(network.module):
        for name, parameter in inside.own_parameters():
            names.setdefault(parameter, []).append(f"{prefix}.{name}".lstrip("."))
    shapes = {" = ".join(shared): tuple(parameter.shape) for parameter, shared in names.items()}
    return {
        "chainrule": chainrule.__version__,
        "torch": str(torch.__version__),
        "members": str(network.members if network.is_ensemble else "one network"),
        "network": described(network.module),
        "parameters": str(shapes),
        "dtype": str(network.dtype),
        "device": network.device.type,
        "seeds": described(network.seeds),
        "frozen": described(sorted(network.frozen)),
        **{name: _of_data(one) for name, one in data.items()},
        **{name: described(value) for name, value in settings.items()},
    }


def difference(now: Mapping[str, str], saved: Mapping[str, str]) -> str | None:
    """Return every setting that differs, as "batch_size 64 in place of 32", or None."""
    names = [name for name in dict.fromkeys([*now, *saved]) if now.get(name) != saved.get(name)]
    names = [name for name in names if FOLLOWS.get(name) not in names]
    told = [f"{name} {' in place of '.join(_where(now.get(name, 'none'), saved.get(name, 'none')))}" for name in names]
    return "; ".join(told) or None


def _where(one: str, other: str) -> tuple[str, str]:
    """Return two texts from shortly before they differ on, each not too long."""
    same = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    start = 0 if max(len(one), len(other)) <= LONGEST else max(0, same - LONGEST // 3)
    first, second = (f"{'…' if start else ''}{text[start : start + LONGEST]}" for text in (one, other))
    return first, second


def _of_data(data: Any) -> str:
    if is_pair(data):
        return f"x {_whole(data[0])}, y {_whole(data[1])}"
    held = _held_by(getattr(data, "dataset", data))
    known = f" with checksum {zlib.crc32(described(held).encode()):08x}" if held else ""
    rows = f" of {data.batch_size}" if hasattr(data, "batch_size") else ""
    order = f" by a {type(data.sampler).__name__}" if hasattr(data, "sampler") else ""
    return f"batches{rows}{order} of a {type(data).__name__}{known}"


def _held_by(dataset: Any) -> list[Any] | tuple[Any, ...]:
    """Return what a data set's rows are made of, as far as it shows without a row, which may be drawn at random."""
    if isinstance(dataset, list | tuple):
        return dataset
    for name in ("tensors", "datasets"):
        parts = getattr(dataset, name, None)
        if isinstance(parts, list | tuple):
            return parts if name == "tensors" else [_held_by(part) for part in parts]
    if isinstance(dataset, Subset):
        return [_sample(np.asarray(dataset.indices)), _held_by(dataset.dataset)]
    own = getattr(dataset, "__dict__", {})
    return [(name, _sample(value)) for name, value in own.items() if _has_numbers(value)]


def _has_numbers(value: object) -> bool:
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    return type(value) is Tensor and value.layout is torch.strided and not value.is_meta and not value.is_nested


def _sample(value: Any) -> Any:
    """Return what tells an array from others: as much of a large one as a checksum is of, with its shape and dtype."""
    if not isinstance(value, np.ndarray) or value.size <= SAMPLE:
        return value
    return value.shape, str(value.dtype), value[np.unravel_index(_places(value.size).numpy(), value.shape)]


def _places(size: int) -> Tensor:
    """Return where the elements of a sample lie: in every part of a tensor, at no columns of their own."""
    count = min(size, SAMPLE)
    numbers = torch.arange(count, device="cpu")
    return numbers * size // max(1, count) + numbers * SCATTER % max(1, size // max(1, count))


def _whole(tensor: Tensor) -> str:
    places = _places(tensor.numel()).to(tensor.device)
    sample = tensor.detach()[torch.unravel_index(places, tensor.shape)]  # no copy of a tensor that is expanded
    checksum = _sum_of(sample.cpu().contiguous().view(torch.uint8).numpy())
    return f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')} with checksum {checksum}"


def _sum_of(array: np.ndarray) -> str:
    return f"{zlib.crc32(array.tobytes()):08x}"


def _code(code: CodeType) -> str:
    """Return what a function does, as text; the lines on which it stands are no part of it."""
    constants = [
        _code(one) if isinstance(one, CodeType) else repr(sorted(one, key=repr) if isinstance(one, frozenset) else one)
        for one in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _without_address(value: Any) -> str:
    return " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)).split())


def _attributes(value: object, inner: Callable[[object], str]) -> str:
    """Return what an object holds if its repr has but its address, else nothing."""
    own = getattr(value, "__dict__", {}) if repr(value) == object.__repr__(value) else {}
    return f" {inner(own)}" if own else ""


def _numbers_given(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield by name the tensors, arrays and functions given to the modules inside, of which a repr shows less."""
    for prefix, inside in named_modules(module):
        for name in signature_of(type(inside)).parameters:
            value = getattr(inside, name, None)
            if _is_shown_in_part(value):
                yield f"{prefix}.{name}".lstrip("."), value


def _is_shown_in_part(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_shown_in_part, value))
    if isinstance(value, dict):
        return any(map(_is_shown_in_part, value.values()))
    return isinstance(value, Tensor | np.ndarray | FunctionType | partial)
