"""What `build` checks and fills in: seeds, parts that nobody finds, first values, and the keys of random streams."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from chainrule.arguments import integer, is_foreign, shown
from chainrule.base.buffer import Buffer
from chainrule.base.module import parts_inside
from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.base.random_numbers import Random, random_key
from chainrule.base.random_streams import random_stream
from chainrule.errors import ChainruleError, ContractError, ShapeError, label


def checked_seeds(seed: int | None, seeds: Sequence[int] | None, members: int | None) -> list[int]:
    """Return one seed per member.

    Raises:
        ChainruleError: if seeds are given beside seed or members, there is no member, or a seed is not an integer of at
            least 0.
    """
    if seeds is not None and (seed is not None or members is not None):
        raise ChainruleError(
            f"build: seeds must stand alone, got {shown(seeds)} with seed={shown(seed)} and members={shown(members)}. "
            "Pass seeds for members of different seeds, or seed and members for members of one."
        )
    if seeds is None:
        one = integer("build", "a seed", 0 if seed is None else seed, at_least=0)
        count = 1 if members is None else integer("build", "members", members, at_least=1)
        _expect_room("members", count)
        return [one] * count
    if isinstance(seeds, str | bytes) or not isinstance(seeds, Iterable) or getattr(seeds, "ndim", 1) != 1:
        raise ChainruleError(
            f"build: seeds must be a sequence of integers, one for each member, got {shown(seeds)}. "
            "Pass seeds=range(10), for example."
        )
    if isinstance(seeds, range):
        _expect_room("seeds", max(0, -((seeds.start - seeds.stop) // seeds.step)))  # len() of one ends at 2⁶³
    found = [integer("build", "a seed", one, at_least=0) for one in seeds]
    if not found:
        raise ChainruleError("build: seeds must name at least one member, got []. Pass seeds=[0, 1, …].")
    return found


def _expect_room(what: str, count: int) -> None:
    """Raise ChainruleError unless memory could hold a seed for each member, before a list of them fills it."""
    try:
        torch.empty(count, dtype=torch.int64, device="cpu")
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:  # the last three of counts above 2⁶³
        raise ChainruleError(
            f"build: {what} must be as many as memory has room for, got {count}. Build fewer members."
        ) from error


def checked_dtype(dtype: torch.dtype | None) -> torch.dtype:
    """Return the dtype of parameters, torch's default if none is given, or raise ShapeError if it cannot be theirs."""
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if dtype not in (torch.float32, torch.float64):
        named = getattr(torch, str(dtype), None) if isinstance(dtype, str) else None
        fix = f"Pass {named}." if isinstance(named, torch.dtype) else "Lower precision is not supported."
        raise ShapeError(f"build: dtype must be torch.float32 or torch.float64, got {shown(dtype)}. {fix}")
    return dtype


def checked_device(device: torch.device | str) -> torch.device:
    """Return the device, or raise ChainruleError if this machine has none of that name."""
    try:
        found = torch.device(device)
        torch.empty(0, device=found).tolist()
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        usable = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        raise ChainruleError(
            f"build: device must be one that this machine and this torch have, got {shown(device)}. "
            f"Pass {' or '.join(map(repr, usable))}."
        ) from error
    return found


def expect_all_found(modules: Sequence[ModuleLike], parts: Iterable[object]) -> None:
    """Raise ChainruleError if a module holds a part that is not among those found, such as one in a set."""
    found = {id(part) for part in (*modules, *parts)}
    for module in modules:
        for name, value in _items(vars(module)):
            if _is_trained_by_torch(value):
                raise ChainruleError(
                    f"{label(module)}: {name} must be one of chainrule's parts, got {shown(value)} with parameters of "
                    "torch, which would not be trained. Write Parameter(…), or a layer of chainrule."
                )
        for name, part in parts_inside(module):
            if id(part) not in found:
                raise ChainruleError(
                    f"{label(module)}: a {type(part).__name__} in {name} is not found, so it would not be trained or "
                    "saved. Keep parts in attributes, or in lists, tuples and dicts of these."
                )


def _items(values: Mapping[Any, object]) -> Iterator[tuple[str, object]]:
    """Yield the values, and those in lists, tuples and dicts of them, each with its dotted name."""
    for name, value in values.items():
        if isinstance(value, list | tuple | dict):
            inside = value if isinstance(value, dict) else dict(enumerate(value))
            yield from ((f"{name}.{key}", item) for key, item in _items(inside))
        else:
            yield str(name), value


def _is_trained_by_torch(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.requires_grad
    named: Any = getattr(value, "named_parameters", None)
    return is_foreign(value) and callable(named) and any(True for _ in named())


@contextmanager
def unbound_on_failure(parameters: Iterable[Parameter]) -> Iterator[None]:
    """Within the block, give up what parameters were bound to if it fails, so that the module can be built again."""
    try:
        yield
    except BaseException:  # an interrupted build is followed by another too
        for parameter in parameters:
            parameter.unbind()
        raise


def initialize_parameters(parameters: Mapping[str, Parameter], seeds: Sequence[int]) -> None:
    """Fill every parameter with its first values, by its name and each member's seed."""
    for name, parameter in parameters.items():
        first: dict[int, int] = {}  # the first member of each seed
        for member, seed in enumerate(seeds):
            if first.setdefault(seed, member) < member:
                parameter.data[member].copy_(parameter.data[first[seed]])
                continue
            # Drawn on the CPU in float64, then rounded, so that values depend on neither device nor dtype.
            values = torch.zeros(parameter.shape, dtype=torch.float64, device="cpu")
            generator = random_stream(seed, "init", name)
            init: Any = parameter.init  # which may return something by mistake
            returned = init(values, fan_in=parameter.fan_in, fan_out=parameter.fan_out, generator=generator)
            _expect_filled(name, parameter.init, values, returned, parameter.shape)
            parameter.data[member].copy_(values)


def _expect_filled(name: str, init: object, values: Tensor, returned: object, shape: Sequence[int]) -> None:
    """Raise ContractError unless an initializer has filled the tensor in place, with finite numbers."""
    got = ""
    if isinstance(returned, Tensor) and returned is not values:
        got = f"a return of {shown(returned)}"
    elif values.shape != shape:
        got = f"one resized to {tuple(values.shape)}"
    elif not values.isfinite().all():
        got = f"{values[~values.isfinite()][0].item()}"
    if got:
        owner = init.__name__ if inspect.isfunction(init) else label(init)
        raise ContractError(
            f"{owner}: an initializer must fill the tensor in place with finite numbers, got {got} for {name}. "
            "Write as in tensor.normal_(generator=generator)."
        )


@torch.inference_mode(False)
@torch.no_grad()
def allocate_buffers(
    buffers: Mapping[str, Buffer], seeds: Sequence[int], dtype: torch.dtype, device: torch.device
) -> None:
    """Give every buffer its first values, by its name and each member's seed; a shared one has one member."""
    for name, buffer in buffers.items():
        members = [_first_values(buffer, name, seed, dtype) for seed in ([0] if buffer.shared else seeds)]
        buffer.bind(torch.stack(members).to(device))


def _first_values(buffer: Buffer, name: str, seed: int, dtype: torch.dtype) -> Tensor:
    values = torch.zeros(buffer.shape, dtype=torch.float64, device="cpu")
    if isinstance(buffer.init, Tensor):
        values = buffer.init.cpu()
    elif buffer.init is not None:
        buffer.init(values, fan_in=1, fan_out=1, generator=random_stream(seed, "init", name))
    return values.to(buffer.dtype or dtype, copy=True)


@torch.inference_mode(False)
def start_streams(
    streams: Mapping[str, Random], seeds: Sequence[int], dtype: torch.dtype, device: torch.device
) -> None:
    """Give every random stream its key, by its name and each member's seed, and a counter of 0."""
    for name, stream in streams.items():
        keys = torch.tensor([random_key(seed, name) for seed in seeds], device="cpu").T.contiguous()
        stream.bind(keys.to(device), torch.zeros((), dtype=torch.int64, device=device), dtype)
