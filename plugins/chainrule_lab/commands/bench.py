"""``chainrule bench``: an optimizer beside tuned baselines."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule import ChainruleError
from chainrule.cli.completion import complete_name
from chainrule.cli.output import echo
from chainrule.cli.paths import expanded
from chainrule_lab.extra import lab_required

STORE = "results.db"


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="NAME, FILE.py:Class, or package.Class of an optimizer written for PyTorch; any number. "
            "Or: verify STORE, to run cells of a store again; without STORE, those of the baselines.",
            autocompletion=complete_name,
            show_default=False,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two tasks, track B, one horizon: some minutes.")] = False,
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", help="A task; any number. By default four tasks for development.", show_default=False),
    ] = None,
    tracks: Annotated[
        str | None,
        typer.Option(help="A: published defaults, B: a grid, C: Sobol draws; several as in ABC.", show_default="AB"),
    ] = None,
    listed: Annotated[bool, typer.Option("--list-tasks", help="List the tasks with size and seconds.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how far the runs in the store are.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write all outcomes as JSON to this file too.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the report, and for the store of all runs.")] = Path("bench"),
    share: Annotated[
        float, typer.Option(help="With verify STORE: the share of its cells to run again, at least 30.")
    ] = 0.01,
    workers: Annotated[int, typer.Option(help="Processes that train; 0 for one for each processor.")] = 0,
    dask: Annotated[str, typer.Option(help="Address of a Dask scheduler, to train in its workers.")] = "",
) -> None:
    """Compare optimizers with six tuned baselines, and write a report.

    A run that was interrupted goes on where it was.

    Example: chainrule bench ./my_rule.py:Rule --quick
    """
    with lab_required("bench"):
        from chainrule_lab.atomic import check_folder, write_together
        from chainrule_lab.bench.benchmark import estimate, plan_of, run_plan
        from chainrule_lab.bench.cells import LoadedTask
        from chainrule_lab.bench.costs import costs
        from chainrule_lab.bench.frozen import export as export_outcomes
        from chainrule_lab.bench.frozen import frozen
        from chainrule_lab.bench.protocol import DEFAULT_TASKS
        from chainrule_lab.bench.report import Report
        from chainrule_lab.bench.terminal import announce, list_tasks, show_status, show_verified, summarize
        from chainrule_lab.bench.verification import verify
        from chainrule_lab.sweep.executors import executor_of
        from chainrule_lab.sweep.runner import Workers, workers_of

    if export is not None and (listed or status or (names and names[0] == "verify")):
        raise ChainruleError("bench: --export writes the outcomes of runs, got it with what runs none. Leave it out.")
    if listed:
        list_tasks()
        return
    folder = expanded("bench", output)
    if names and names[0] == "verify":
        verified = verify(_store_of(names[1:]), share)
        show_verified(verified)
        if verified.faults:
            raise ChainruleError(
                f"verify: all cells must agree, got {len(verified.faults)} that do not. They are named above."
            )
        return
    if status:
        show_status(folder / STORE)
        return
    chosen = _checked_tracks("AB" if tracks is None else tracks)
    if quick and (tasks or tracks is not None):
        raise ChainruleError("bench: --quick has its own tasks and track, got --task or --tracks too. Leave them out.")
    if workers < 0 or (workers and dask):
        rule = "left out with --dask" if dask else "at least 0"
        raise ChainruleError(f"bench: --workers must be {rule}, got {workers}. Leave it out.")
    plan = plan_of(names or [], list(dict.fromkeys(tasks or DEFAULT_TASKS)), chosen, quick=quick)
    exported = None if export is None else expanded("bench", export)
    for place in (folder, *([] if exported is None else [exported.parent])):
        check_folder("bench", place)
        with _explained(place):
            place.mkdir(parents=True, exist_ok=True)
    count = workers or os.cpu_count() or 1
    known = frozen(plan.tasks)
    try:
        with executor_of("bench", 0 if count == 1 else count, dask) as executor:
            processes = 1 if executor is None else workers_of(executor)
            announce(plan, estimate(plan, processes, known), processes)
            outcomes = run_plan(plan, folder / STORE, Workers(executor), known)
    except KeyboardInterrupt:
        echo(f"Stopped. The same command goes on from {folder / STORE}.", err=True)
        raise
    loaded = {name: LoadedTask(name) for name in plan.tasks}
    report = Report(
        outcomes=outcomes,
        named=plan.named,
        tasks=loaded,
        costs=costs(loaded[plan.tasks[0]], plan.contenders),
        frozen=any(one in known.values() for one in outcomes),
        command=shlex.join(["chainrule", *sys.argv[1:]]),
    )
    files = {"report.md": report.markdown(), "report.html": report.html()}
    with _explained(folder):
        write_together(folder, {name: text.encode() for name, text in files.items()})
    if exported is not None:
        with _explained(exported.parent):
            export_outcomes(exported, outcomes)
    summarize(report)
    echo(f"Wrote {folder / 'report.html'} and report.md.")


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Raise ChainruleError in place of the system's error in writing to a folder."""
    try:
        yield
    except OSError as error:
        raise ChainruleError(
            f"bench: {folder} must be a folder with room for files, got {error.strerror or error}. Choose another."
        ) from error


def _store_of(names: list[str]) -> Path | None:
    if len(names) > 1:
        raise ChainruleError(f"bench: verify takes one STORE, got {len(names)}. Write chainrule bench verify STORE.")
    return expanded("bench", Path(names[0])) if names else None


def _checked_tracks(text: str) -> Any:
    if not text or set(text.upper()) - set("ABC"):
        raise ChainruleError(f'bench: --tracks must be letters of A, B and C, got "{text}". Write --tracks AB.')
    return tuple(dict.fromkeys(text.upper()))
