"""The initial state of an elementwise rule in vectors, which lies in one stretch of memory where it is zeros."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from chainrule import ContractError
from chainrule.base.optimizer import State
from chainrule.errors import label
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.precision import Precision

STRETCH = 2**22
"""Bytes from which numpy asks the system for large pages."""

ALIGNMENT = 64
"""Bytes at whose multiples vectors start, as all tensors of torch do."""


def state_of(rule: GroupRule, precision: Precision, data: Tensor) -> State:
    """Return the initial state for parameters in one vector.

    Raises:
        ContractError: if an entry has another shape.
    """
    state = precision.begin_vector(rule.chain, data)
    for name, entry in state.items():
        if entry.shape != data.shape:
            raise ContractError(
                f"{label(rule.chain.rule)}: state {name!r} of an elementwise rule must have the parameter's shape "
                f"{tuple(data.shape)}, got {tuple(entry.shape)}. Set elementwise = False if it is not elementwise."
            )
    return state


def expect_state(rule: GroupRule, precision: Precision, dtype: torch.dtype) -> None:
    """Raise ContractError if the initial state for a parameter of this dtype has not its shape."""
    state_of(rule, precision, torch.zeros(2, dtype=dtype, device="cpu"))


def vectors_of(rule: GroupRule, precision: Precision, all_data: Sequence[Tensor]) -> Sequence[State | None]:
    """Return vectors for the state of parameters in vectors on a CPU, else None.

    They hold the initial state if that is the same for any parameters, else zeros.
    """
    if not all(data.is_cpu for data in all_data):
        return [None] * len(all_data)
    samples = {data.dtype: state_of(rule, precision, data.new_zeros(2)) for data in all_data}
    sizes: dict[torch.dtype, list[int]] = {}
    for data in all_data:
        for entry in samples[data.dtype].values():
            sizes.setdefault(entry.dtype, []).append(len(data))
    left = {dtype: iter(zeros(own, dtype)) for dtype, own in sizes.items()}
    found = []
    for data in all_data:
        sample = samples[data.dtype]
        found.append({name: next(left[entry.dtype]) for name, entry in sample.items()})
        for name, entry in sample.items() if rule.begins_alike else ():
            if entry.any():
                found[-1][name].copy_(entry[:1].expand(len(data)))
    return found


def zeros(sizes: Sequence[int], dtype: torch.dtype) -> list[Tensor]:
    """Return vectors of zeros of these sizes in a CPU's memory, many of them in one stretch.

    The system clears a stretch when it is first used, and in large pages, at a fifth of the time that as many small
    pieces take.
    """
    if sum(sizes) * dtype.itemsize < STRETCH:
        return [torch.zeros(size, dtype=dtype, device="cpu") for size in sizes]
    lengths = [size * dtype.itemsize for size in sizes]
    padded = [-(-length // ALIGNMENT) * ALIGNMENT for length in lengths]
    memory = np.zeros(sum(padded) + ALIGNMENT, np.uint8)
    starts = accumulate(padded, initial=-memory.ctypes.data % ALIGNMENT)
    # Each has a storage of its own, so that none is saved or copied with the others.
    pairs = zip(starts, lengths, strict=False)
    return [torch.from_numpy(memory[start : start + length]).view(dtype) for start, length in pairs]
