"""Tensors sent between processes: all that they have for each other in one collective operation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class Form(NamedTuple):
    """What a process must know of a tensor before it comes."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """The number of bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def exchange(
    group: dist.ProcessGroup,
    outgoing: Sequence[Sequence[Tensor]],
    incoming: Sequence[Sequence[Form]],
    device: torch.device,
) -> list[Iterator[Tensor]]:
    """Send to each process its tensors, and return those that come from each.

    Args:
        group: the processes.
        outgoing: the tensors for each.
        incoming: the forms of the tensors from each.
        device: where the tensors are.
    """
    packed = [_bytes(tensor) for tensors in outgoing for tensor in tensors]
    sent = torch.cat(packed) if packed else torch.empty(0, dtype=torch.uint8, device=device)
    out_sizes = [sum(tensor.nbytes for tensor in tensors) for tensors in outgoing]
    in_sizes = [sum(form.size for form in forms) for forms in incoming]
    received = torch.empty(sum(in_sizes), dtype=torch.uint8, device=device)
    dist.all_to_all_single(received, sent, in_sizes, out_sizes, group=group)
    return [_unpacked(part, forms) for part, forms in zip(received.split_with_sizes(in_sizes), incoming, strict=True)]


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().flatten().view(torch.uint8)


def _unpacked(packed: Tensor, forms: Sequence[Form]) -> Iterator[Tensor]:
    pieces = packed.split_with_sizes([form.size for form in forms])
    for piece, form in zip(pieces, forms, strict=True):
        yield piece.clone().view(form.dtype).view(form.shape)  # a clone, since a view must start at a whole number
