"""The rows in which networks are trained beside every peer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from peers import PEERS
from rounds import Spread, Worker, WorkerError, alternate, missing_packages
from workloads import ENSEMBLE, LARGE, MEDIUM, SMALL, Workload

TOLERANCE = 1e-3
"""Largest relative difference of any member's loss from torch's after an epoch."""

ALL = ("fit", "loop", "torch", "torch_fused", "torch_compiled", "jax_step", "jax_scan", "thinc")


@dataclass(frozen=True)
class TrainingRow:
    """A workload and who trains it.

    Attributes:
        headline: the one of ours that is compared with every peer.
        goals: how many times as fast as a peer the headline should be.
        comparisons: a peer, another of ours beside it, and how many times as fast ours should be.
    """

    workload: Workload
    headline: str
    peers: tuple[str, ...]
    goals: Mapping[str, float] = field(default_factory=dict)
    comparisons: tuple[tuple[str, str, float], ...] = ()


ROWS = (
    TrainingRow(
        SMALL,
        "fit_compiled",
        ("fit_compiled", "step", *ALL),
        {"torch": 1 / 0.025, "jax_scan": 1 / 0.95},
        comparisons=(("torch", "step", 1 / 0.05), ("torch", "loop", 1 / 0.40)),
    ),
    TrainingRow(
        ENSEMBLE,
        "fit_compiled",
        ("fit_compiled", "fit", "loop", "torch", "torch_fused", "torch_func", "jax_step", "jax_scan"),
        {"torch": 100, "jax_scan": 1 / 0.62},
    ),
    TrainingRow(
        MEDIUM,
        "fit_compiled",
        ("fit_compiled", *ALL),
        {"torch": 1 / 0.7, "torch_fused": 1 / 0.9, "jax_scan": 1 / 0.9},
        comparisons=(("torch", "fit", 1.0),),
    ),
    TrainingRow(
        LARGE,
        "fit_compiled",
        ("fit_compiled", *ALL),
        {"torch": 1 / 0.75, "torch_fused": 1 / 0.86, "jax_scan": 1 / 0.95},
        comparisons=(("torch", "fit", 1.0),),
    ),
)


def measure(row: TrainingRow, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Check that all peers train to the same loss, then time them in turns."""
    workers = {}
    try:
        for peer in row.peers:
            if missing := missing_packages(peer):
                say(f"{row.workload.name}: {PEERS[peer].title} is left out: {', '.join(missing)} is not installed")
            else:
                workers[peer] = Worker(peer, row.workload.name)
        losses = {}
        for peer in list(workers):
            try:
                losses[peer] = np.array(workers[peer].ask("losses"))
            except WorkerError as error:
                say(f"{row.workload.name}: {error}; it is left out")
                workers.pop(peer).close()
        difference = _check_losses(row.workload, losses)
        say(f"{row.workload.name}: losses agree within {difference:.1e} of torch's after {row.workload.batches} steps")
        times = alternate({peer: lambda w=worker: w.ask("round") for peer, worker in workers.items()}, rounds)
    finally:
        for worker in workers.values():
            worker.close()
    return {
        "title": row.workload.title,
        "headline": row.headline,
        "loss_difference": difference,
        "loss": {peer: float(values.mean()) for peer, values in losses.items()},
        "seconds": times,
        "peers": {
            peer: {
                "title": PEERS[peer].title,
                "seconds": vars(Spread.of(values)),
                "times_as_fast": vars(Spread.of_ratios(values, times[row.headline])),
                "goal": row.goals.get(peer) or None,
            }
            for peer, values in times.items()
        },
        "comparisons": [_comparison(times, *each) for each in row.comparisons],
    }


def _comparison(times: Mapping[str, list[float]], theirs: str, ours: str, goal: float) -> dict[str, Any]:
    ratio = Spread.of_ratios(times[theirs], times[ours])
    return {"title": f"{PEERS[theirs].title} / {PEERS[ours].title}", "times_as_fast": vars(ratio), "goal": goal}


def _check_losses(workload: Workload, losses: Mapping[str, np.ndarray]) -> float:
    """Return the greatest relative difference from torch's losses, of the members that both train."""
    reference = losses["torch_func" if "torch_func" in losses else "torch"]
    greatest = 0.0
    for peer, values in losses.items():
        shared = min(len(values), len(reference))
        difference = float(np.max(np.abs(values[:shared] / reference[:shared] - 1)))
        if not difference < TOLERANCE:
            raise WorkerError(
                f"{workload.name}: {PEERS[peer].title} trains to another loss than torch: relative difference "
                f"{difference:.1e} after {workload.batches} steps, more than {TOLERANCE:.0e}"
            )
        greatest = max(greatest, difference)
    return greatest
