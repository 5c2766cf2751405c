"""Terminal output of a reproduction: progress during training, then the table and the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from chainrule import console, hookimpl
from chainrule_lab.paper.experiment_settings import Setting
from chainrule_lab.paper.report import number, percent, points, signed
from chainrule_lab.paper.reproduction import Reproduction

Callbacks: TypeAlias = Callable[[Setting], Sequence[object]]

VERDICT_STYLES = {"yes": "green", "no": "red", "undecided": "yellow"}


class _Advance:
    """A callback that advances a progress bar by one per epoch."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self.bar = bar
        self.task = task

    @hookimpl
    def chainrule_epoch_end(self) -> None:
        self.bar.advance(self.task)


@contextmanager
def training_progress(epochs: int) -> Iterator[Callbacks]:
    """Show one progress bar for all settings, on a terminal only; yield the function that makes its callbacks."""
    shown = console(stderr=True)
    if not shown.is_terminal:
        yield lambda _: ()
        return
    columns = (TextColumn("{task.description:<20}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown, transient=True) as bar:
        task = bar.add_task("", total=epochs)

        def callbacks(setting: Setting) -> Sequence[object]:
            bar.update(task, description=setting.title)
            return [_Advance(bar, task)]

        yield callbacks


def announce(reproduction: Reproduction, folder: Path, seconds: float) -> None:
    """Print the table, the verdicts, the report's path and the elapsed time."""
    out = console()
    runs = f"{len(reproduction.seeds)} seeds, {reproduction.epochs} epochs"
    table = Table(title=f"Test loss and accuracy (%), {runs}", title_justify="left", box=None, pad_edge=False)
    table.add_column("Setting", overflow="fold")
    for heading in ("Loss", "Paper", "Diff.", "Accuracy", "Paper", "Diff."):
        table.add_column(heading, justify="right", overflow="fold")
    for row in reproduction.table:
        loss, accuracy = row.loss, row.accuracy
        table.add_row(
            row.title,
            f"{number(loss.mean)} ± {number(loss.deviation)}",
            number(loss.printed),
            signed(loss.difference),
            f"{percent(accuracy.mean)} ± {percent(accuracy.deviation)}",
            percent(accuracy.printed),
            points(accuracy.difference),
        )
    out.print(table)
    out.print()
    answers = Table(box=None, pad_edge=False, show_header=False)
    for claim in reproduction.claims:
        verdict = Text(claim.verdict, style=VERDICT_STYLES[claim.verdict])
        answers.add_row(claim.letter, verdict, Text(claim.statement))
    out.print(answers)
    out.print(Text(f"\nReport: {folder / 'report.html'}, after {seconds:.0f} seconds"), soft_wrap=True)
