"""`EvaluationStage`: the batch that a compiled evaluation reads, in tensors that stay."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor


class EvaluationStage:
    """One batch (M, N, …); of tensors that all members share it holds the rows once.

    Args:
        x: a batch like all those to come.
        y: its targets.

    Attributes:
        tensors: what a function reads, in the order in which `at` takes it.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self._members = len(x)
        self._held = [1 if _is_shared(tensor) else len(tensor) for tensor in (x, y)]
        with torch.inference_mode(False):
            self.tensors = [
                torch.empty(held, *tensor.shape[1:], dtype=tensor.dtype, device=tensor.device)
                for held, tensor in zip(self._held, (x, y), strict=True)
            ]
        self.put(x, y)

    @staticmethod
    def form(x: Tensor, y: Tensor) -> Hashable:
        """Return what decides whether a stage for one batch holds another."""
        return x.shape, x.dtype, _is_shared(x), y.shape, y.dtype, _is_shared(y)

    def put(self, x: Tensor, y: Tensor) -> None:
        """Stage a batch."""
        for own, held, tensor in zip(self.tensors, self._held, (x, y), strict=True):
            own.copy_(tensor[:held])

    def at(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return x and y, (M, N, …), from tensors like those of the stage."""
        return [tensor.expand(self._members, *tensor.shape[1:]) for tensor in tensors]

    def vary(self) -> None:
        """Stage the rows in another order, of x with other values."""
        x, y = (tensor.roll(1, 1) for tensor in self.tensors)
        self.tensors[0].copy_(x / 2 if x.is_floating_point() else x)
        self.tensors[1].copy_(y)


def _is_shared(tensor: Tensor) -> bool:
    return len(tensor) > 1 and not tensor.stride(0)
