"""Where a step's time goes: in torch's operations, each timed where it happens, or in our Python between them."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from statistics import median
from time import perf_counter
from typing import Any

import torch
from floor import floor
from torch.overrides import TorchFunctionMode, resolve_name
from worker import make
from workloads import WORKLOADS

SHOWN = 12
PROFILED = {"small": ("fit", "loop"), "ensemble": ("fit",), "medium": ("fit", "fit_compiled"), "large": ("fit_compiled",)}


class Timings(TorchFunctionMode):
    """Add up the time inside each of torch's functions; attributes such as shape are not functions."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ == "__get__":
            return func(*args, **kwargs or {})
        start = perf_counter()
        result = func(*args, **kwargs or {})
        elapsed = perf_counter() - start
        name = resolve_name(func) or func.__name__
        self.seconds[name] += elapsed - CLOCK
        self.calls[name] += 1
        return result


def clock() -> float:
    """Return what reading the clock twice takes."""
    times = []
    for _ in range(1001):
        start = perf_counter()
        times.append(perf_counter() - start)
    return median(times)


CLOCK = clock()


def profile(peer_name: str, workload_name: str, rounds: int) -> dict[str, Any]:
    """Return seconds per step: the whole, inside torch by function, and the rest, which is Python."""
    peer = make(peer_name, workload_name)
    workload = WORKLOADS[workload_name]
    peer.round()
    whole = min(peer.round() for _ in range(rounds)) * peer.members
    timings = []
    for _ in range(rounds):
        peer.train(1)
        with Timings() as timing:
            peer.run(workload.epochs)
        timings.append(timing)
    best = min(timings, key=lambda timing: sum(timing.seconds.values()))
    steps = workload.epochs * workload.batches
    inside = sum(best.seconds.values()) / steps
    lowest = floor(workload)
    return {
        "workload": workload_name,
        "peer": peer_name,
        "step": whole,
        "torch": inside,
        "python": max(0.0, whole - inside),
        "calls": sum(best.calls.values()) / steps,
        "functions": [
            {"name": name, "calls": best.calls[name] / steps, "seconds": best.seconds[name] / steps}
            for name in sorted(best.seconds, key=best.seconds.__getitem__, reverse=True)[:SHOWN]
        ],
        "floor": {**vars(lowest), "total": lowest.total},
        "times_the_floor": whole / lowest.total,
    }


def main() -> None:
    workload, rounds = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    print(json.dumps([profile(peer, workload, rounds) for peer in PROFILED[workload]]))


if __name__ == "__main__":
    main()
