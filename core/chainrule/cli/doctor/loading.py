"""Loading everything that is installed in processes of its own, and telling how each went."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from chainrule.cli.doctor.worker import Outcome, work
from chainrule.registry.component import Component

NEEDED = ("torch", "chainrule.training")
"""The modules that a process imports before any component, which would else pay for them with its own time."""

GETTING_READY = 300.0
"""Seconds that a process has for its start and for each needed module, of which torch may take long on a busy disk."""

GRACE = 10.0
"""Seconds that a process has beyond a limit to end itself, which leaves a traceback."""


def load_each(components: Sequence[Component], limit: float) -> Iterator[tuple[Component | str, Outcome]]:
    """Yield every component with the outcome of loading it, and a needed module that cannot be imported by its name.

    All are loaded in one process, one after the other; where one ends it or takes longer than limit seconds, another
    process does the rest. Without what is needed all would fail alike, so nothing more is then tried.
    """
    rest = list(components)
    while True:
        for thing, outcome in _in_one_process([*NEEDED, *rest], limit):
            if isinstance(thing, Component):
                yield thing, outcome
                rest.remove(thing)
            elif outcome.problem:
                yield thing, outcome
                return
        if not rest:
            return


def _in_one_process(things: Sequence[Component | str], limit: float) -> Iterator[tuple[Component | str, Outcome]]:
    """Yield the outcomes as far as one process gets, the last one that of what ended it."""
    limits = [limit if isinstance(thing, Component) else max(limit, GETTING_READY) for thing in things]
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(target=work, args=(theirs, things, limits, log), daemon=True)
        process.start()
        theirs.close()
        try:
            for thing, seconds in zip(things, limits, strict=True):
                began = time.monotonic()
                outcome = _next(ours, process, seconds)
                if outcome is None:
                    yield thing, _ended(process, time.monotonic() - began >= seconds, seconds, log)
                    return
                yield thing, outcome
        finally:
            process.kill()
            process.join()
            ours.close()


def _next(ours: Any, process: Any, limit: float) -> Outcome | None:
    """Return the outcome that comes next, or None where the process ends or hangs first."""
    # A process forked by a plugin may hold the pipe open, so the end of the process is awaited too.
    wait([ours, process.sentinel], timeout=limit + GRACE)
    try:
        outcome: Outcome | None = ours.recv() if ours.poll() else None
    except (EOFError, OSError):
        outcome = None
    return outcome


def _ended(process: Any, hung: bool, limit: float, log: Path) -> Outcome:
    process.join(0 if hung else GRACE)
    if hung:
        cause = f"its import did not end within {limit:g} seconds"
    elif process.exitcode is not None and process.exitcode < 0:
        cause = f"its import ended the process by signal {-process.exitcode}"
    else:
        cause = f"its import ended the process with exit status {process.exitcode}"
    printed = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return Outcome(problem=cause, traceback=printed.rstrip())
