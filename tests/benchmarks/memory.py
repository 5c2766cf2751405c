"""Peak memory of training the large MLP, from building the network on: what a process's resident set grows by.

Everything runs once beforehand and is freed, so that libraries, kernels and compilers are not counted. Peers whose
second network would compile anew are left out.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path
from typing import Any

from peers import PEERS
from rounds import in_own_process, missing_packages
from worker import make
from workloads import LARGE

COMPARED = ("fit", "fit_compiled", "loop", "torch", "torch_fused", "thinc")
GOAL = 1.0


def measure() -> dict[str, Any]:
    """Return each peer's peak in bytes, and ours as a multiple of torch's; None where the system does not tell."""
    if not Path("/proc/self/clear_refs").exists():
        return {"peak": None}
    peaks = {peer: in_own_process("memory", peer) for peer in COMPARED if not missing_packages(peer)}
    return {
        "peak": peaks,
        "parameters": 4 * LARGE.parameters,
        "times_torch": {peer: peak / peaks["torch"] for peer, peak in peaks.items()},
        "titles": {peer: PEERS[peer].title for peer in peaks},
        "goal": GOAL,
    }


def main() -> None:
    peer = sys.argv[1]
    train(peer)
    before = settled()
    train(peer)
    print(resident("VmHWM") - before)


def settled() -> int:
    """Return the resident set without what is freed, in bytes; its peak starts again from here."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def train(peer: str) -> None:
    """Make the peer and let it take steps."""
    made = make(peer, LARGE.name)
    made.round()


def resident(field: str) -> int:
    """Return a field of this process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


if __name__ == "__main__":
    print(json.dumps(measure())) if len(sys.argv) == 1 else main()
