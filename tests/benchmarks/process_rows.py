"""An ensemble of the paper's network on two processes beside one, by the clock, since each has a core of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from time import perf_counter

import torch
from rounds import Spread, WorkerError, alternate

from chainrule import distributed
from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam
from chainrule.tasks import circle

MEMBERS = 512
EPOCHS = 40
PROCESSES = (1, 2)
GOAL = 1.8
FORMS = ("fit", "fit_compiled")


def main() -> None:
    rounds = int(sys.argv[1])
    result = {"members": MEMBERS, "epochs": EPOCHS, "goal": GOAL, "forms": {}}
    for form in FORMS:
        times = alternate({count: partial(seconds, count, form) for count in PROCESSES}, rounds)
        result["forms"][form] = {
            "seconds": {count: vars(Spread.of(times[count])) for count in PROCESSES},
            "times_as_fast": vars(Spread.of_ratios(times[1], times[2])),
        }
    print(json.dumps(result))


def seconds(processes: int, form: str) -> float:
    """Start so many processes, and return what the first of them took, all of them on any cores."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run([*torchrun, __file__, form], capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise WorkerError(f"{processes} processes ended: {last[0]}")
    return float(done.stdout)


def train_as_one_of_several(form: str) -> None:
    """Train all members together with the other processes; print how long the fit took, if this is the first."""
    torch.set_num_threads(1)
    fit(form, epochs=1)  # warm, and compiled
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    start = perf_counter()
    fit(form, epochs=EPOCHS)
    if os.environ["RANK"] == "0":
        print(perf_counter() - start)


def fit(form: str, epochs: int) -> None:
    data = circle().splits(seed=0)
    network = sequential(linear(2, 16), relu(), linear(16, 32), relu(), linear(32, 2)).build(seeds=range(MEMBERS))
    distributed.fit(
        network,
        cross_entropy(),
        adam(lr=torch.logspace(-4, -1, MEMBERS)),
        train=data.train,
        validation=data.validation,
        epochs=epochs,
        batch_size=20,
        compile=form == "fit_compiled",
    )


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    if "RANK" in os.environ:
        train_as_one_of_several(sys.argv[1])
    else:
        main()
