"""Where a step's time goes: in torch's operations, which are recorded and made again alone, or in our Python."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from floor import floor
from peers.chainrule_loop import build
from torch.overrides import TorchFunctionMode, resolve_name
from worker import make
from workloads import WORKLOADS, Workload

from chainrule.losses import cross_entropy
from chainrule.optimizers import adam
from chainrule.training.steps.compiled import CompiledStep

SHOWN = 12
REPLAYED_SECONDS = 0.1
PEERS = {
    "small": ("fit_compiled", "fit", "loop"),
    "ensemble": ("fit_compiled", "fit"),
    "medium": ("fit_compiled", "fit"),
    "large": ("fit",),
}


class Recorder(TorchFunctionMode):
    """Keep every call of torch's functions; attributes such as shape are not functions."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ != "__get__":
            self.calls.append((func, args, kwargs or {}))
        return func(*args, **kwargs or {})

    def keep_one_step(self, steps: int) -> None:
        """Drop all but the calls of the last whole one of so many steps; one ends with a call made once in each."""
        names = [signature(func, args) for func, args, _ in self.calls]
        once = next(name for name in names[len(names) // 2 :] if names.count(name) == steps)
        *_, before, last = (position for position, name in enumerate(names) if name == once)
        self.calls = self.calls[before + 1 : last + 1]

    @torch.inference_mode()
    def replay(self, times: int) -> float:
        """Make the calls again, with nothing between them, and return the seconds that takes once."""
        start = process_time()
        for _ in range(times):
            for func, args, kwargs in self.calls:
                func(*args, **kwargs)
        return (process_time() - start) / times

    @torch.inference_mode()
    def functions(self, times: int) -> list[dict[str, Any]]:
        """Make the calls again and return number and seconds by function, the costliest first.

        Medians over the times, since the clock goes on while other processes have the core.
        """
        seconds: dict[str, list[float]] = defaultdict(list)
        for _ in range(times):
            for func, args, kwargs in self.calls:
                start = perf_counter()
                func(*args, **kwargs)
                elapsed = perf_counter() - start
                seconds[signature(func, args)].append(elapsed - CLOCK)
        found = [
            {"name": name, "calls": len(values) / times, "seconds": median(values) * len(values) / times}
            for name, values in seconds.items()
        ]
        return sorted(found, key=lambda function: function["seconds"], reverse=True)


def signature(func: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """Return the function's name and the sizes of its tensors."""
    sizes = ["×".join(map(str, argument.shape)) or "1" for argument in args if isinstance(argument, torch.Tensor)]
    name = (resolve_name(func) or func.__name__).removeprefix("torch.").removeprefix("Tensor.")
    return f"{name}({', '.join(sizes)})"


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
    recorder = Recorder()
    if peer_name == "fit_compiled":
        recorder.calls = [compiled_call(workload)]
    else:
        peer.reset()
        with recorder:
            peer.run(1)
        recorder.keep_one_step(workload.batches)
    times = max(2, int(REPLAYED_SECONDS / whole))
    recorder.replay(times)
    inside = median(recorder.replay(times) for _ in range(rounds))
    functions = recorder.functions(times)
    if peer_name == "fit_compiled":
        functions[0]["name"] = "forward, loss, backward and update, compiled"
    lowest = floor(workload)
    return {
        "workload": workload_name,
        "peer": peer_name,
        "step": whole,
        "torch": inside,
        "python": max(0.0, whole - inside),
        "calls": len(recorder.calls),
        "functions": functions[:SHOWN],
        "floor": {**vars(lowest), "total": lowest.total},
        "times_the_floor": whole / lowest.total,
    }


def compiled_call(workload: Workload) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Return the one call that a compiled step is, with its arguments."""
    network = build(workload)
    network.module.needs_input_grad = False
    step = CompiledStep(network, cross_entropy(members=True), adam(lr=workload.lr).attach(network))
    x, y = (torch.from_numpy(array[0].copy()) for array in workload.epoch())
    with torch.inference_mode():
        for _ in range(2):
            step(x, y)
    assert step.function is not None
    return step.function, (*step.tensors, x, y), {}


def main() -> None:
    workload, rounds = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    print(json.dumps([profile(peer, workload, rounds) for peer in PEERS[workload]]))


if __name__ == "__main__":
    main()
