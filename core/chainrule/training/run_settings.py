"""What tells one run from another: the settings of a fit as text that is the same in every process."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor

import chainrule
from chainrule.arguments import LONGEST
from chainrule.base.settings import Settings
from chainrule.network import Network
from chainrule.training.batches import Data, is_pair

SAMPLE = 2**18
"""The most elements of a tensor that its checksum is of, spread over all of it."""

FOLLOWS = {"parameters": "network", "seeds": "members"}
"""Settings that are not named where another differs, from which they follow."""


def described(value: Any) -> str:
    """Return text that differs if the value does, without an address in memory."""
    if isinstance(value, Settings):
        inner = [f"{field.name}={described(getattr(value, field.name))}" for field in fields(value)]  # type: ignore[arg-type]  # every subclass is a dataclass
        return f"{type(value).__name__}({', '.join(inner)})"
    if isinstance(value, Tensor):
        return str(value.tolist()) if value.numel() <= 8 else _whole(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {described(one)}' for key, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(described, value))}]"
    if hasattr(value, "groups"):
        return described(value.groups)
    if isinstance(value, FunctionType):
        bound = [value.__defaults__, *[cell.cell_contents for cell in value.__closure__ or ()]]
        inside = f"{_code(value.__code__)} {_without_addresses(bound)}"
        return f"{value.__qualname__} with checksum {zlib.crc32(inside.encode()):08x}"
    return _without_addresses(value)


def settings_of(network: Network, data: Mapping[str, Data], **settings: Any) -> dict[str, str]:
    """Return all on which a run depends, by name, as text."""
    shapes = {name: tuple(one.data.shape[1:]) for name, one in network.named_parameters()}
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
        **{
            name: f"x {_whole(one[0])}, y {_whole(one[1])}" if is_pair(one) else f"batches of a {type(one).__name__}"
            for name, one in data.items()
        },
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


def _whole(tensor: Tensor) -> str:
    count = min(tensor.numel(), SAMPLE)
    places = torch.arange(count, device=tensor.device) * tensor.numel() // max(1, count)
    sample = tensor.detach()[torch.unravel_index(places, tensor.shape)]  # no copy of a tensor that is expanded
    checksum = zlib.crc32(sample.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')} with checksum {checksum:08x}"


def _code(code: CodeType) -> str:
    """Return what a function does, as text; the lines on which it stands are no part of it."""
    constants = [
        _code(one) if isinstance(one, CodeType) else repr(sorted(one, key=repr) if isinstance(one, frozenset) else one)
        for one in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _without_addresses(value: Any, around: tuple[int, ...] = ()) -> str:
    """Return text like the repr of a value, the elements of sets in the same order in every process."""
    if id(value) in around:
        return "…"
    inner = partial(_without_addresses, around=(*around, id(value)))
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inner, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{inner(key)}: {inner(one)}' for key, one in value.items())}}}"
    if isinstance(value, partial):
        return f"partial {inner([value.func, value.args, value.keywords])}"
    if isinstance(value, MethodType):
        return f"{value.__qualname__} of {inner(value.__self__)}"
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
        return f"{type(value).__name__} {inner(own)}"
    return " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)).split())
