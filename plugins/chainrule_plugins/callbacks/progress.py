"""The callback that shows the progress of a fit."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor

from chainrule import Run, hookimpl


class Progress:
    """Show a bar with the epoch, the latest values (for an ensemble, their means) and steps per second.

    It is silent where the output is not a terminal.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bar: Bar | None = None

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        if not self.console.is_terminal:
            return
        columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, TextColumn("{task.fields[values]}"), console=self.console)
        self._bar.add_task("", total=run.epochs, values="")
        self._bar.start()

    @hookimpl
    def chainrule_epoch_end(self, run: Run, metrics: Mapping[str, Tensor]) -> None:
        if self._bar is None:
            return
        task = self._bar.tasks[0]
        rate = run.step / task.elapsed if task.elapsed else 0.0
        values = "  ".join(f"{name} {float(value.double().mean()):.4g}" for name, value in metrics.items())
        self._bar.update(task.id, advance=1, values=f"{values}  {rate:,.0f} steps/s")

    @hookimpl
    def chainrule_fit_end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
