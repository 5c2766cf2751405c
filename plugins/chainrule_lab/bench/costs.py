"""What an optimizer costs: the time of a step, and the bytes of its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

import chainrule
from chainrule_lab.bench.cells import LoadedTask
from chainrule_lab.bench.contenders import Contender

ROUNDS, STEPS = 15, 10


@dataclass(frozen=True)
class Cost:
    """The cost of one optimizer.

    Attributes:
        low: the lower quartile of the milliseconds of a training step, over rounds.
        median: their median.
        high: their upper quartile.
        state: the bytes of state for each byte of parameters.
    """

    low: float
    median: float
    high: float
    state: float


def costs(task: LoadedTask, contenders: Sequence[Contender]) -> dict[str, Cost]:
    """Return the cost of each optimizer for a single network, on one thread, in rounds that take turns."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        x, y = (part[: task.batch_size] for part in task.splits.train)
        steps = []
        for one in contenders:
            network = task.task.network().build(seed=0)
            steps.append(chainrule.training_step(network, task.task.loss(), one.optimizer({})))
        times: list[list[float]] = [[] for _ in steps]
        for _ in range(ROUNDS + 1):
            for step, own in zip(steps, times, strict=True):
                start = perf_counter()
                for _ in range(STEPS):
                    step(x, y)
                own.append(1e3 * (perf_counter() - start) / STEPS)
    finally:
        torch.set_num_threads(threads)
    parameters = sum(_bytes(p.data) for p in task.task.network().build().parameters())
    return {
        one.name: Cost(*_quartiles(own[1:]), _state_bytes(step.updater.state_dict()) / parameters)
        for one, step, own in zip(contenders, steps, times, strict=True)
    }


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return low, middle, high


def _state_bytes(state: object) -> int:
    if isinstance(state, Tensor):
        return _bytes(state)
    if isinstance(state, dict):
        return sum(map(_state_bytes, state.values()))
    return sum(map(_state_bytes, state)) if isinstance(state, list | tuple) else 0


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
