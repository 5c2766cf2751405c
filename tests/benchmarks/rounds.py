"""Worker processes that take turns, and what their times say."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from peers import PEERS

HERE = Path(__file__).parent
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Spread:
    """Values of all rounds as their median, least and greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    @classmethod
    def of_ratios(cls, above: Sequence[float], below: Sequence[float]) -> Spread:
        """Return the spread of the ratios of each round, which noise that lasts longer than a round leaves alone."""
        return cls.of([a / b for a, b in zip(above, below, strict=True)])


class WorkerError(RuntimeError):
    """A worker ended before it answered."""


def on_threads(count: int = 1) -> dict[str, str]:
    """Return the environment of a process that computes on so many threads."""
    return {**os.environ, **dict.fromkeys(THREADS, str(count)), "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(HERE)}


def pin_to_one_core() -> None:
    """Keep this process and its children on one core, so that nobody gains from threads of its own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def missing_packages(peer: str) -> list[str]:
    """Return what the peer needs and is not installed."""
    return [package for package in PEERS[peer].needs if importlib.util.find_spec(package) is None]


class Worker:
    """A process that keeps one peer warm.

    Args:
        peer: its key.
        workload: its name.
        threads: how many it computes on, on any cores and timed by the clock; if not given, one, on one core, timed by
            the CPU time that it takes.
    """

    def __init__(self, peer: str, workload: str, threads: int | None = None) -> None:
        self.peer = peer
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), peer, workload, *([] if threads is None else [str(threads)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=on_threads(threads or 1),
        )

    def ask(self, command: str) -> list[float] | float:
        """Send a command and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{command}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the empty answer below says so
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines()[-1:] or ["it printed nothing"]
            raise WorkerError(f"{PEERS[self.peer].title} ended: {last[0]}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        if self.process.stdin is not None and self.process.poll() is None:
            self.process.stdin.close()
        self.process.wait()
        self.errors.close()


def alternate(timers: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call every timer once a round, in an order that turns from round to round; return their values by name."""
    times: dict[str, list[float]] = {name: [] for name in timers}
    for number in range(rounds):
        order = list(timers) if number % 2 == 0 else list(reversed(timers))
        for name in order:
            times[name].append(timers[name]())
    return times


def cpu_seconds(
    step: Callable[[], Any], steps: int, context: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> Callable[[], float]:
    """Return a function that takes so many steps within a context and returns the CPU time of one."""

    def timer() -> float:
        with context():
            start = process_time()
            for _ in range(steps):
                step()
            return (process_time() - start) / steps

    return timer


def in_own_process(module: str, *arguments: object) -> Any:
    """Run one of the files beside this one on one thread, and return the JSON that its last line of output is."""
    command = [sys.executable, str(HERE / f"{module}.py"), *map(str, arguments)]
    done = subprocess.run(command, env=on_threads(), capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise WorkerError(f"{module} ended: {last[0]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
