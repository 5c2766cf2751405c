"""The least time that a step could take here: its arithmetic, its bytes and its calls, at rates measured now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from time import process_time
from typing import Any

import torch
from workloads import Workload

CALLS_OF_A_LAYER = 4
"""Output, dL/dW, dL/db, dL/dx; the first layer needs no dL/dx."""
CALLS_OF_AN_ACTIVATION = 2
OTHER_CALLS = 4
"""Loss, its gradient, gradients to zero, and a fused update."""
UPDATE_PASSES = 7
"""Adam reads parameter, gradient, m and v, and writes all but the gradient."""
ACTIVATION_PASSES = 5
"""relu in place reads and writes; its backward reads the output and reads and writes the gradient."""


@dataclass(frozen=True)
class Floor:
    """Seconds of a step of all members, in parts that are added."""

    arithmetic: float
    bytes: float
    calls: float

    @property
    def total(self) -> float:
        return self.arithmetic + self.bytes + self.calls


def floor(workload: Workload) -> Floor:
    """Return the workload's floor; measures the rates at its sizes."""
    members, batch = workload.members, workload.batch
    layers = list(pairwise(workload.sizes))
    widest = max(layers, key=lambda layer: layer[0] * layer[1])
    flops = sum(6 * members * batch * inputs * outputs for inputs, outputs in layers)
    flops -= 2 * members * batch * layers[0][0] * layers[0][1]
    parameters = members * workload.parameters
    moved = 4 * UPDATE_PASSES * parameters
    moved += 4 * ACTIVATION_PASSES * members * batch * sum(workload.sizes[1:-1])
    calls = CALLS_OF_A_LAYER * len(layers) - 1 + CALLS_OF_AN_ACTIVATION * (len(layers) - 1) + OTHER_CALLS
    return Floor(flops / gemm_rate(members, batch, *widest), moved / bandwidth(parameters), calls * call_overhead())


def gemm_rate(members: int, batch: int, inputs: int, outputs: int) -> float:
    """Return floating-point operations per second of the quickest of a layer's three products."""
    x, weight = torch.randn(members, batch, inputs), torch.randn(members, outputs, inputs)
    grad = torch.randn(members, batch, outputs)
    products = (
        lambda: torch.bmm(x, weight.mT),
        lambda: torch.bmm(grad, weight),
        lambda: torch.bmm(grad.mT, x),
    )
    seconds = min(map(best_of, products))
    return 2 * members * batch * inputs * outputs / without_call(seconds)


def bandwidth(elements: int) -> float:
    """Return bytes per second of the quicker of a copy and an addition in place on this many floats."""
    source, target = torch.randn(elements), torch.zeros(elements)
    seconds = min(best_of(lambda: target.copy_(source)), best_of(lambda: target.add_(1)))
    return 8 * elements / without_call(seconds)


def without_call(seconds: float) -> float:
    """Return a time less the call's, of which a small operation mostly consists and which is counted on its own."""
    return max(seconds - call_overhead(), 0.1 * seconds)


def call_overhead() -> float:
    """Return seconds of one of torch's cheapest operations, in place on one element."""
    x = torch.zeros(1)
    return best_of(lambda: x.neg_())


@torch.inference_mode()
def best_of(call: Callable[[], Any], budget: float = 0.03) -> float:
    """Return the least of a few means of a call's time: interruptions only ever add to it."""
    call()
    start = process_time()
    call()
    repetitions = max(1, int(budget / max(process_time() - start, 1e-6)))
    times = []
    for _ in range(7):
        start = process_time()
        for _ in range(repetitions):
            call()
        times.append((process_time() - start) / repetitions)
    return min(times)
