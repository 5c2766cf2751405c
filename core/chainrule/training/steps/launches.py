"""A compiled step as the calls of its kernels, recorded once and made again for each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.training.steps.eager import Outputs
from chainrule.training.steps.recording import LargeStepError, Launch, UnrepeatableError, call_into, record
from chainrule.training.steps.stage import Stage


class Launches(NamedTuple):
    """Calls that, made one after the other, take a step and write its outputs into tensors that stay.

    Attributes:
        error: what is wrong with the calls, where there is but one, that of the whole function.
    """

    calls: Sequence[Launch]
    outputs: Outputs
    error: Exception | None = None


def launches_of(function: Callable[..., Outputs], tensors: Sequence[Tensor], stage: Stage) -> Launches:
    """Return the launches of a compiled step on these tensors; what is done to find them out is undone.

    They are held against the function, bit by bit, on a second step with another batch, step number and learning rate,
    in which a number that was frozen into a call would show.
    """
    memory = _Memory(tensors)
    before = memory.copy()
    try:
        outputs: Outputs
        calls, outputs = record(function, tensors)
        stage.vary()
        first = memory.copy()
        expected = [output.clone() for output in function(*tensors)]
        after = memory.copy()
        memory.restore(first)
        for call in calls:
            call()
        if not memory.equals(after) or not all(map(_is_same, outputs, expected)):
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


def _is_same(found: Tensor, expected: Tensor) -> bool:
    """Whether two tensors have the same bits, also where they are NaN."""
    return torch.equal(*(each.contiguous().flatten().view(torch.uint8) for each in (found, expected)))
