"""What ``chainrule bench`` prints."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from chainrule import ChainruleError, console
from chainrule.cli.output import echo
from chainrule.registry import names
from chainrule.registry.source_files import is_file
from chainrule_lab.bench.benchmark import Plan, seconds_of
from chainrule_lab.bench.cells import LoadedTask
from chainrule_lab.bench.contenders import contender
from chainrule_lab.bench.protocol import DEFAULT_TASKS
from chainrule_lab.bench.report import Report
from chainrule_lab.bench.verification import TOLERANCE, Verified
from chainrule_lab.sweep.store import Store

WORDS = {
    "better": "better than",
    "equivalent": "equivalent to",
    "undecided": "undecided against",
    "worse": "worse than",
}

SHOWN = 50
"""The most cells that are named."""


def announce(plan: Plan, seconds: float, workers: int) -> None:
    """Print what is going to be run, and about how long that takes."""
    each = f"{len(plan.tasks)} tasks, tracks {', '.join(plan.tracks)}, horizons {', '.join(map(str, plan.horizons))}"
    echo(f"{', '.join(one.name for one in plan.contenders)}: {each}.", err=True)
    processes = "one process" if workers == 1 else f"{workers} processes"
    echo(f"About {duration(seconds)} on {processes}; what the store has already is not run again.", err=True)


def duration(seconds: float) -> str:
    """Return seconds in words: ``3 minutes``, ``1.5 hours``."""
    if seconds < 100:
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 100 * 60 else f"{seconds / 3600:.1f} hours"


def summarize(report: Report) -> None:
    """Print the verdicts of every track, a line for each optimizer on each task."""
    for track in report.tracks:
        found: dict[str, dict[str, list[str]]] = {}
        for one in report.compared(track):
            where = f"{one.outcome.contender} on {one.outcome.task} at {one.outcome.horizon}×"
            found.setdefault(where, {}).setdefault(one.verdict, []).append(one.baseline.contender)
        for where, verdicts in found.items():
            texts = [f"{WORDS[verdict]} {', '.join(own)}" for verdict, own in sorted(verdicts.items())]
            echo(f"Track {track}, {where}: {'; '.join(texts)}.")


def list_tasks() -> None:
    """Print every task with its size, and the time that track B takes for adamw."""
    table = Table("task", "rows", "parameters", "steps", "use", "seconds")
    adamw = contender("adamw")
    for name in names("tasks"):
        task = LoadedTask(name)
        parameters = sum(parameter.data.numel() for parameter in task.task.network().build().parameters())
        use = "held out" if task.task.held_out else "default" if name in DEFAULT_TASKS else "development"
        seconds = seconds_of(task, adamw, ("B",), (1,))
        rows = str(len(task.splits.train[0]))
        table.add_row(name, rows, str(parameters), str(task.epochs * task.steps_per_epoch), use, f"{seconds:.0f}")
    console().print(table)
    echo("Rows are for training, steps for a run; seconds are those of track B for adamw in one process, about.")


def show_status(path: Path) -> None:
    """Print how far the runs in a store are."""
    if not is_file(path):
        raise ChainruleError(
            f"bench: no such store: {path}. Start the runs without --status, or name their folder with --output."
        )
    table = Table("stage", "runs", "finished", "diverged", "running")
    with Store(path, create=False) as store:
        for one in store.sweeps():
            table.add_row(one.name, *map(str, (one.trials, one.finished, one.diverged, one.claimed)))
    console().print(table)


def show_verified(verified: Verified) -> None:
    """Print what a verification has found."""
    for fault in verified.faults[:SHOWN]:
        echo(fault)
    if len(verified.faults) > SHOWN:
        echo(f"And {len(verified.faults) - SHOWN} more.")
    echo(
        f"{verified.repeated} of {verified.cells} cells were run again; losses agree where they differ by at most "
        f"{100 * TOLERANCE:g} %, or by no more than rounding is amplified to.",
        err=True,
    )
