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
PEERS = {"small": ("fit", "loop"), "ensemble": ("fit",), "medium": ("fit",), "large": ("fit",)}
"""Uncompiled: inside a compiled kernel there are no functions to time."""


class Timings(TorchFunctionMode):
    """Note the time inside each of torch's functions by sizes; attributes such as shape are not functions."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ == "__get__":
            return func(*args, **kwargs or {})
        start = perf_counter()
        result = func(*args, **kwargs or {})
        elapsed = perf_counter() - start
        sizes = ["×".join(map(str, argument.shape)) or "1" for argument in args if isinstance(argument, torch.Tensor)]
        name = (resolve_name(func) or func.__name__).removeprefix("torch.").removeprefix("Tensor.")
        self.seconds[f"{name}({', '.join(sizes)})"].append(elapsed - CLOCK)
        return result

    def functions(self, steps: int) -> list[dict[str, Any]]:
        """Return calls and seconds of a step by function, the costliest first.

        Medians over the calls, since the clock goes on while other processes have the core.
        """
        found = [
            {"name": name, "calls": len(times) / steps, "seconds": median(times) * len(times) / steps}
            for name, times in self.seconds.items()
        ]
        return sorted(found, key=lambda function: function["seconds"], reverse=True)


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
    whole = median(peer.round() for _ in range(rounds)) * peer.members
    peer.reset()
    with Timings() as timings:
        peer.run(1 + workload.epochs)
    functions = timings.functions((1 + workload.epochs) * workload.batches)
    inside = sum(function["seconds"] for function in functions)
    lowest = floor(workload)
    return {
        "workload": workload_name,
        "peer": peer_name,
        "step": whole,
        "torch": inside,
        "python": max(0.0, whole - inside),
        "calls": sum(function["calls"] for function in functions),
        "functions": functions[:SHOWN],
        "floor": {**vars(lowest), "total": lowest.total},
        "times_the_floor": whole / lowest.total,
    }


def main() -> None:
    workload, rounds = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    print(json.dumps([profile(peer, workload, rounds) for peer in PEERS[workload]]))


if __name__ == "__main__":
    main()
