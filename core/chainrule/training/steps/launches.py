"""A compiled step as the calls of its kernels, recorded once and made again for each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, NamedTuple, Protocol

import torch
from torch import Tensor

from chainrule.training.steps import cuda_graph
from chainrule.training.steps.recording import LargeStepError, Launch, Results, UnrepeatableError, call_into, record

TOLERANCE = 0.05
"""Of a tensor's change in a step; a learning rate that stayed would make it differ by a third."""


class Varied(Protocol):
    """A stage, the last tensors of a compiled function."""

    def vary(self) -> None:
        """Let the function's next call be on another batch, with other numbers."""


class Launches(NamedTuple, Generic[Results]):
    """Calls that, made one after the other, take a step and write its outputs into tensors that stay.

    Attributes:
        error: what is wrong with the calls, where there is but one, that of the whole function.
    """

    calls: Sequence[Launch]
    outputs: Results
    error: Exception | None = None


def launches_of(function: Callable[..., Results], tensors: Sequence[Tensor], stage: Varied) -> Launches[Results]:
    """Return the launches of a compiled step on these tensors; what is done to find them out is undone.

    They are held against the function, bit by bit, on a second step with another batch, step number and learning rate,
    in which a number that was frozen into a call would show. On a CUDA device, where sums may be made in any order,
    they must change every tensor as it does, to `TOLERANCE`.
    """
    memory = _Memory(tensors)
    before = memory.copy()
    try:
        outputs: Results
        is_captured = cuda_graph.is_captured(tensors[-1].device)
        calls, outputs = (cuda_graph.capture if is_captured else record)(function, tensors)
        stage.vary()
        first = memory.copy()
        expected = [output.clone() for output in function(*tensors)]
        after = memory.copy()
        memory.restore(first)
        for call in calls:
            call()
        is_same = memory.equals(after) and all(map(_is_same, outputs, expected))
        if not is_same and not (is_captured and memory.is_close(first, after)):
            raise UnrepeatableError("its kernels, called again, do not repeat it")
        return Launches(calls, outputs)
    except Exception as error:  # noqa: BLE001 - the function itself is right whatever torch has changed around it
        memory.restore(before)
        outputs = function(*tensors)
        whole = [partial(call_into, outputs, partial(function, *tensors))]
        return Launches(whole, outputs, None if isinstance(error, LargeStepError) else error)
    finally:
        memory.restore(before)


class _Memory:
    """The memory of some tensors, as bytes."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tensors
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors}
        self._bytes = [
            torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage) for storage in storages.values()
        ]

    def copy(self) -> list[Tensor]:
        return [each.clone() for each in self._bytes]

    def restore(self, copies: Sequence[Tensor]) -> None:
        for each, copy in zip(self._bytes, copies, strict=True):
            each.copy_(copy)

    def equals(self, copies: Sequence[Tensor]) -> bool:
        return all(map(torch.equal, self._bytes, copies))

    def is_close(self, before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
        """Whether the tensors have changed as from a copy before to one after."""
        return all(map(_changed_alike, self._values(before), self._values(after), self._tensors))

    def _values(self, copies: Sequence[Tensor]) -> list[Tensor]:
        """Return the tensors as they are in a copy of their memory."""
        by_storage = {own.untyped_storage().data_ptr(): copy for own, copy in zip(self._bytes, copies, strict=True)}
        return [
            torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(
                by_storage[tensor.untyped_storage().data_ptr()].untyped_storage(),
                tensor.storage_offset(),
                tensor.shape,
                tensor.stride(),
            )
            for tensor in self._tensors
        ]


def _changed_alike(before: Tensor, after: Tensor, found: Tensor) -> bool:
    if not before.is_floating_point() or _is_same(after, found):
        return _is_same(after, found)
    change, error = (other.double() - after.double() for other in (before, found))
    return bool(error.norm() <= TOLERANCE * change.norm())


def _is_same(found: Tensor, expected: Tensor) -> bool:
    """Whether two tensors have the same bits, also where they are NaN."""
    return torch.equal(*(each.contiguous().flatten().view(torch.uint8) for each in (found, expected)))
