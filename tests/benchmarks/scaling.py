"""How the time of a step grows with width, depth, batch, members and parameters."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from time import process_time
from typing import Any

import torch
from floor import UPDATE_PASSES, bandwidth, call_overhead, floor
from peers.chainrule_fit import Fit
from peers.torch_adam import TorchAdam
from workloads import Workload

from chainrule.initializers import zeros
from chainrule.layers import linear
from chainrule.optimizers import adam

ROUNDS = 3
EPOCH_SECONDS = 0.05


def make(sizes: tuple[int, ...], batch: int, members: int = 1, *, uses_circle: bool = False) -> Workload:
    """Return a workload with so many batches that an epoch takes a while, and its ends weigh little."""
    workload = Workload("scaling", "", sizes, batch, 1, 1, members, uses_circle)
    guess = 2e-4 + members * batch * workload.parameters * 6 / 5e10
    return replace(workload, batches=max(4, min(100, int(EPOCH_SECONDS / guess))))


def sweeps() -> dict[str, dict[int, Workload]]:
    """Return the workloads of each figure by the number on its axis."""
    return {
        "width": {n: make(sizes=(n, n, n, 10), batch=128) for n in (16, 32, 64, 128, 256, 512, 1024, 2048)},
        "hidden layers": {n: make(sizes=(64,) * (n + 1) + (10,), batch=128) for n in (1, 2, 4, 8, 16, 32, 64)},
        "batch": {n: make(sizes=(256, 256, 256, 10), batch=n) for n in (1, 4, 16, 64, 256, 1024, 4096)},
        "members": {
            n: make(sizes=(2, 16, 32, 2), batch=20, members=n, uses_circle=True)
            for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
        },
    }


def training(workload: Workload) -> dict[str, float]:
    """Return seconds of a step of all members."""
    peers = {
        "chainrule": Fit(workload),
        "chainrule, compile=True": Fit(workload, compile=True),
        "torch, fused=True": TorchAdam(workload, fused=True),
    }
    times = {
        # One network after the other: of an ensemble, torch's step is repeated for each member.
        name: median(peer.round() for _ in range(1 + ROUNDS)) * workload.members
        for name, peer in peers.items()
    }
    return {**times, "floor": floor(workload).total}


def update(elements: int) -> dict[str, float]:
    """Return seconds of Adam's update alone on so many parameters."""
    network = linear(elements, 1, bias=False, weight_init=zeros()).build()
    network.flat.data.normal_()
    network.flat.grad.normal_(std=1e-2)
    parameter = torch.zeros(elements, requires_grad=True)
    parameter.grad = network.flat.grad.clone()
    steps = {
        "chainrule": adam().attach(network).step,
        "chainrule, compile=True": adam().attach(network, compile=True).step,
        "torch, fused=True": torch.optim.Adam([parameter], fused=True).step,
    }
    times = {name: seconds(step) for name, step in steps.items()}
    return {**times, "floor": 4 * UPDATE_PASSES * elements / bandwidth(elements) + call_overhead()}


def seconds(step: Callable[[], Any]) -> float:
    """Return the median time of a call."""
    step()
    start = process_time()
    step()
    repetitions = max(1, int(0.02 / max(process_time() - start, 1e-6)))
    times = []
    for _ in range(5):
        start = process_time()
        for _ in range(repetitions):
            step()
        times.append((process_time() - start) / repetitions)
    return median(times)


def points() -> Iterator[tuple[str, int, dict[str, float]]]:
    """Yield axis, number and seconds by line."""
    for axis, workloads in sweeps().items():
        for number, workload in workloads.items():
            yield axis, number, training(workload)
    for exponent in range(10, 24):
        yield "parameters", 2**exponent, update(2**exponent)


def main() -> None:
    torch.set_num_threads(1)
    measured: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for axis, number, lines in points():
        print(axis, number, file=sys.stderr)
        for name, value in lines.items():
            measured.setdefault(axis, {}).setdefault(name, []).append((number, value))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
