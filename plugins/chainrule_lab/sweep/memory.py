"""How many members of an ensemble fit into memory: estimated from one small step, and the memory that there is."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import chainrule
from chainrule.training.batches import GATHERED_ELEMENTS
from chainrule_lab.sweep.trial import Trial

ROWS = 64
"""The rows of an evaluation that is measured."""

EVALUATED_ELEMENTS = GATHERED_ELEMENTS // 16
"""The most elements of x in one batch of an evaluation, over all members."""

SHARE = 0.5
"""The part of the available memory that a sweep takes by default."""


class Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Measures the most bytes that tensors made in its block take at a time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = self._now = 0
        self._known: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for made in result if isinstance(result, list | tuple) else (result,):
            if isinstance(made, Tensor):
                self._add(made.untyped_storage())
        return result

    def _add(self, storage: Any) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._known or not size:
            return
        self._known.add(place)
        self._now += size
        self.bytes = max(self.bytes, self._now)
        weakref.finalize(storage, self._remove, place, size)

    def _remove(self, place: int, size: int) -> None:
        self._known.discard(place)
        self._now -= size


@dataclass(frozen=True)
class Need:
    """The memory that an ensemble takes.

    Attributes:
        step: bytes for each member of parameters, gradients, state and a step.
        row: bytes for each row of an evaluation.
        rows: the rows of the largest split.
        elements: elements of x and y in one row.
        size: bytes of an element.
    """

    step: int
    row: int
    rows: int
    elements: int
    size: int

    def of(self, members: int) -> int:
        """Return the bytes that so many members take."""
        gathered = min(members * self.rows * self.elements, 2 * GATHERED_ELEMENTS) * self.size
        evaluated = min(members * self.rows, max(EVALUATED_ELEMENTS // self.elements, members)) * self.row
        return members * self.step + max(gathered, evaluated)

    def members(self, limit: int) -> int:
        """Return how many members fit into so many bytes, at least one."""
        fitting, more = 1, 2
        while more <= 2**20 and self.of(more) <= limit:
            fitting, more = more, 2 * more
        while more - fitting > 1:
            middle = (fitting + more) // 2
            fitting, more = (middle, more) if self.of(middle) <= limit else (fitting, middle)
        return fitting


def need_of(trial: Trial) -> Need:
    """Return what an ensemble of such trials needs, from one step and one evaluation of a single member.

    It also shows whether data, network and loss fit together, before anything is trained.
    """
    trial = trial.copied()
    x, y = trial.train
    batch = min(int(trial.fit.get("batch_size", 32)), len(x))
    with Peak() as stepping:
        network = trial.built([0])
        clip_norm = trial.fit.get("clip_norm")
        step = chainrule.training_step(network, trial.loss, trial.optimizer, clip_norm=clip_norm)
        step(x[:batch], y[:batch])
    network = trial.built([0])  # as it begins: the step may have led to numbers with which no metric works
    splits = [one for one in (trial.train, trial.validation, trial.test) if one is not None]
    peaks = []
    for inputs, target in splits:
        with Peak() as evaluating:
            few = inputs[:ROWS], target[:ROWS]
            chainrule.evaluate(network, trial.loss, few, metrics=trial.fit["metrics"])
        peaks.append(-(-evaluating.bytes // max(1, len(few[0]))))
    elements = max(1, x[0].numel()) + max(1, y[0].numel())
    longest = max(len(one[0]) for one in splits)
    return Need(stepping.bytes, max(peaks), longest, elements, max(x.element_size(), y.element_size()))


def available(device: torch.device | str = "cpu") -> int:
    """Return the bytes of memory that are free for use on a device, as far as the system tells."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if hasattr(os, "sysconf") else [2**32]
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")))
    with suppress(OSError, ValueError):  # a container's limit; "max" where it has none
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        found.append(max(0, limit - int((group / "memory.current").read_text(encoding="ascii"))))
    return min(found)
