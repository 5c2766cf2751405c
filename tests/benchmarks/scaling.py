"""How the time and the memory of a step grow with width, depth, batch, members and parameters.

Peak memory is that of a network's steps with all that they keep, in a process of its own for each point.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
from floor import UPDATE_PASSES, bandwidth, call_overhead, floor
from memory import resident, settled
from peers.chainrule_fit import Fit
from peers.peer import Peer
from peers.torch_adam import TorchAdam
from rounds import in_own_process
from workloads import Workload

from chainrule.initializers import zeros
from chainrule.layers import linear
from chainrule.optimizers import adam

ROUNDS = 3
EPOCH_SECONDS = 0.05
PAGE = 4096
"""Bytes by which a resident set grows at least."""
KEPT_VECTORS = 4
"""Parameters, gradients, and Adam's two means."""


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
            for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
        },
    }


PEERS: dict[str, Callable[[Workload], Peer]] = {
    "chainrule": Fit,
    "chainrule, compile=True": partial(Fit, compile=True),
    "torch, fused=True": partial(TorchAdam, fused=True),
}


def training(workload: Workload) -> dict[str, float]:
    """Return seconds of a step of all members."""
    times = {
        # One network after the other: of an ensemble, torch's step is repeated for each member.
        name: median(peer.round() for _ in range(1 + ROUNDS)) * workload.members
        for name, peer in ((name, make_peer(workload)) for name, make_peer in PEERS.items())
    }
    return {**times, "floor": floor(workload).total}


def memory(axis: str, number: int) -> dict[str, float]:
    """Return peak bytes of the steps of all members."""
    workload = sweeps()[axis][number]
    # That of torch's one small network is lost in what the allocator keeps.
    names = [name for name in PEERS if axis != "members" or not name.startswith("torch")]
    peaks = {name: max(in_own_process("scaling", axis, number, name), PAGE) for name in names}
    kept = 4 * KEPT_VECTORS * workload.members * workload.parameters
    return {**peaks, "floor": kept + 4 * workload.members * workload.batch * sum(workload.sizes)}


def peak(workload: Workload, name: str) -> int:
    """Return by how many bytes the steps of a second network raise the resident set at most."""
    PEERS[name](workload).round()
    before = settled()
    PEERS[name](workload).round()
    return resident("VmHWM") - before


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
    """Yield axis, number and seconds or bytes by line."""
    for axis, workloads in sweeps().items():
        for number, workload in workloads.items():
            yield axis, number, training(workload)
            if Path("/proc/self/clear_refs").exists():  # or the system tells no peak
                yield f"memory by {axis}", number, memory(axis, number)
    for exponent in range(10, 24):
        yield "parameters", 2**exponent, update(2**exponent)


def main() -> None:
    torch.set_num_threads(1)
    if len(sys.argv) == 4:
        axis, number, name = sys.argv[1:]
        print(peak(sweeps()[axis][int(number)], name))
        return
    measured: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for axis, number, lines in points():
        print(axis, number, file=sys.stderr)
        for name, value in lines.items():
            measured.setdefault(axis, {}).setdefault(name, []).append((number, value))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
