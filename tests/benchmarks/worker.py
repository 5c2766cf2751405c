"""A process that keeps one peer warm and obeys: each line of input is a command, each line of output its answer."""

from __future__ import annotations

import importlib
import json
import os
import sys
from time import perf_counter
from typing import Any

from peers import PEERS
from peers.peer import Peer
from workloads import WORKLOADS


def make(peer: str, workload: str) -> Peer:
    """Return the peer, ready to train."""
    module, _, name = PEERS[peer].target.partition(":")
    if "torch" in PEERS[peer].needs:
        import torch

        torch.set_num_threads(1)
    return getattr(importlib.import_module(f"peers.{module}"), name)(WORKLOADS[workload], **PEERS[peer].options)


def free(threads: int) -> None:
    """Compute on so many threads, and let peers be timed by the clock."""
    import torch

    torch.set_num_threads(threads)
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == "peers"]:
        if hasattr(module, "process_time"):
            module.process_time = perf_counter


def answer(peer: Peer, command: str) -> Any:
    """Return the loss of each member after one epoch, or seconds per step and member."""
    if command == "round":
        return peer.round()
    peer.train(1)
    losses = peer.workload.loss(peer.weights()).tolist()
    peer.round()  # warm before the first round that counts
    return losses


def main() -> None:
    # Libraries may print; what they print must not be taken for an answer.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        name, workload, *threads = sys.argv[1:]
        if threads and hasattr(os, "sched_setaffinity"):
            # Before any thread starts: each keeps the cores of the one that starts it.
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
        peer = make(name, workload)
        if threads:
            free(int(threads[0]))
        for line in sys.stdin:
            print(json.dumps(answer(peer, line.strip())), file=answers, flush=True)


if __name__ == "__main__":
    main()
