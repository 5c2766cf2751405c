"""Which tensors share memory: those must be stepped one after another, since copies would lose a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import mul

from torch import Tensor


def turns(tensors: Sequence[Tensor]) -> list[int]:
    """Return for each tensor the number of its turn, later than that of any before it whose range of memory it meets.

    Those of one turn share no memory.
    """
    if len(tensors) < 2:  # as when parameters are stepped during backward
        return [0] * len(tensors)
    found, ranges = [0] * len(tensors), list(map(_range, tensors))
    before = defaultdict[int, list[int]](list)
    reaching: list[int] = []
    for i in sorted(range(len(ranges)), key=ranges.__getitem__):
        reaching = [k for k in reaching if ranges[k][1] > ranges[i][0]]
        for k in reaching:
            before[max(i, k)].append(min(i, k))
        reaching.append(i)
    for i in sorted(before):
        found[i] = 1 + max(found[k] for k in before[i])
    return found


def _range(tensor: Tensor) -> tuple[int, int]:
    """Return where the memory of a tensor starts and ends: both 0 for one without elements or data."""
    start, strides = tensor.data_ptr(), tensor.stride()
    last = sum(map(mul, tensor.shape, strides)) - sum(strides)
    return start, start and start + (last + 1) * tensor.itemsize
