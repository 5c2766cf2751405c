"""Steps on two threads beside steps on one, by the clock, since CPU time counts both."""

from __future__ import annotations

import json
import sys
from typing import Any

from peers import PEERS
from rounds import Spread, Worker, alternate
from workloads import WORKLOADS

THREADS = (1, 2)
COMPARED = ("fit_compiled", "fit", "torch_fused")
GOAL = 1.05
"""The most that two threads should take of one's time; what is too small for two is to be left to one."""


def row(workload: str, rounds: int) -> list[dict[str, Any]]:
    """Return what each peer takes on one and on two threads, of an ensemble per member."""
    workers = {(peer, count): Worker(peer, workload, threads=count) for peer in COMPARED for count in THREADS}
    try:
        for worker in workers.values():
            worker.ask("losses")  # warm
        times = alternate({key: lambda w=worker: w.ask("round") for key, worker in workers.items()}, rounds)
    finally:
        for worker in workers.values():
            worker.close()
    return [
        {
            "title": f"{PEERS[peer].title}, {WORKLOADS[workload].title}",
            "seconds": {count: vars(Spread.of(times[peer, count])) for count in THREADS},
            "times_as_long": vars(Spread.of_ratios(times[peer, 2], times[peer, 1])),
            "goal": GOAL,
        }
        for peer in COMPARED
    ]


def main() -> None:
    print(json.dumps([each for workload in WORKLOADS for each in row(workload, int(sys.argv[1]))]))


if __name__ == "__main__":
    main()
