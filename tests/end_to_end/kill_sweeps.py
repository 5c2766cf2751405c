"""Kill sweeps that share a store at random moments: ``python tests/end_to_end/kill_sweeps.py``.

Two processes at a time work on one sweep. After every kill, what was in the store is still there, and no ensemble
begins with a trial that is; at the end every trial has the result that an undisturbed sweep has, to rounding. Needs
os.fork: each start is a new process that has imported torch already.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from forked import start

import chainrule
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam
from chainrule_lab.sweep import log_uniform
from chainrule_lab.sweep.results import Results
from chainrule_lab.sweep.store import Store

X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = X.flip(1).cos()

SEARCH = {"width": [4, 8], "lr": log_uniform(1e-3, 1e-1, points=10), "seed": range(3)}
MEMBERS = 5


def build(lr: float, width: int) -> tuple[Any, Any]:
    return sequential(linear(3, width), tanh(), linear(width, 3)), adam(lr=lr)


def sweep(store: Path) -> Results:
    return chainrule.sweep(
        build, SEARCH, loss=mse(), train=(X, Y), validation=(X / 2, Y), epochs=8, batch_size=20, dtype=torch.float64,
        store=store, members=MEMBERS,
    )  # fmt: skip


def sweep_noting_failures(store: Path, failures: Path) -> None:
    """Sweep, and note if a claimed trial has a result already."""
    claim = Store.claim

    def checked(opened: Store, keys: Sequence[str]) -> set[str]:
        ours = claim(opened, keys)
        if len(opened.missing(ours)) < len(ours):
            failures.write_text(f"{os.getpid()} claimed a finished trial\n")
        return ours

    Store.claim = checked  # type: ignore[method-assign]
    sweep(store)


def finished(store: Path) -> dict[str, float]:
    """Return when each result was written."""
    if not store.exists():
        return {}
    with closing(sqlite3.connect(store, timeout=60)) as database:
        tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'results'").fetchone()[0]
        return dict(database.execute("SELECT key, finished FROM results")) if tables else {}


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many processes to kill.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the moments; 0 takes another each time.")] = 0,
) -> None:
    """Kill sweeps and compare what the store has at the end.

    Example: python tests/end_to_end/kill_sweeps.py --kills 20
    """
    torch.set_num_threads(1)
    random.seed(seed or time.time_ns())
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        expected = sweep(Path(place) / "whole.db")
        within = (time.perf_counter() - began) / 2
        killed = sweeps = 0
        while killed < kills:
            store, failures = Path(place) / f"{sweeps}.db", Path(place) / "failures"
            killed += kill_until_done(store, failures, min(kills - killed, 6), within)
            sweeps += 1
            if failures.exists():
                raise SystemExit(failures.read_text())
            compare(sweep(store), expected)
    typer.echo(f"{killed} kills of {sweeps} sweeps; nothing was lost, nothing computed twice")


def kill_until_done(store: Path, failures: Path, kills: int, within: float) -> int:
    """Keep two processes at work and kill one at a time, so many times at most; return the number of kills."""
    sweeping = partial(sweep_noting_failures, store, failures)
    running, killed, before = [start(sweeping), start(sweeping)], 0, dict[str, float]()
    while running:
        if killed < kills:
            time.sleep(random.uniform(0, within))  # noqa: S311
            os.kill(running[0], signal.SIGKILL)
        _, status = os.waitpid(running.pop(0), 0)
        after = finished(store)
        if any(after.get(key) != moment for key, moment in before.items()):
            raise SystemExit("a result was lost or written again.")
        before = after
        if os.WIFSIGNALED(status):
            killed += 1
            running.append(start(sweeping))
        elif status:
            raise SystemExit(f"a start after {killed} kills failed; its error is above.")
    return killed


def compare(found: Results, expected: Results) -> None:
    for one, other in zip(found, expected, strict=True):
        for name, curve in other.curves.items():
            torch.testing.assert_close(torch.tensor(one.curves[name]), torch.tensor(curve), rtol=1e-9, atol=0)


if __name__ == "__main__":
    sys.exit(typer.run(main))
