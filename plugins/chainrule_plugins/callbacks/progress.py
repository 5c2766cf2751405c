"""The callback that shows the progress of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column
from torch import Tensor

from chainrule import ChainruleError, Run, console, hookimpl
from chainrule.ops import shown

REFRESH = 0.1
"""Seconds between two lines sent to a notebook; a terminal's bar is drawn as often."""


class Progress:
    """Show the epoch, the latest values (for an ensemble, their means) and steps per second.

    A terminal shows a bar on stderr, a notebook a line below its cell; elsewhere it is silent.
    """

    def __init__(self, console: Console | None = None) -> None:
        if not isinstance(console, Console | None):
            raise ChainruleError(f"progress: console must be one of rich's, got {shown(console)}. Leave it out.")
        self.console = console
        self._bar: Bar | None = None
        self._line: _NotebookLine | None = None
        self._started, self._steps_before = 0.0, 0

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        self._bar = self._line = None
        self._started, self._steps_before = perf_counter(), run.step
        out = self.console or console(stderr=True)
        if out.is_jupyter:
            self._line = _NotebookLine(f"epoch {run.epoch}/{run.epochs}")
        elif out.is_terminal:
            columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(bar_width=10), TimeRemainingColumn())
            rest = Column(ratio=1, no_wrap=True)  # of the width, and cut off there
            values = TextColumn("{task.fields[values]}", markup=False, table_column=rest)
            self._bar = Bar(*columns, values, console=out, expand=True)
            self._bar.add_task("", total=run.epochs, completed=run.epoch, values="")
            self._bar.start()

    @hookimpl
    def chainrule_epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        if self._bar is None and self._line is None:
            return
        rate = (run.step - self._steps_before) / (perf_counter() - self._started)
        curves = "  ".join(
            f"{name} {float(value.reshape(-1)[run.members].double().mean()):.4g}" for name, value in metrics.items()
        )
        values = f"{curves}  {rate:,.0f} steps/s"
        if self._line is not None:
            self._line.show(f"epoch {epoch}/{run.epochs}  {values}")
        elif self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, values=values)

    @hookimpl
    def chainrule_fit_end(self) -> None:
        if self._line is not None:
            self._line.end()
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._line = None


class _NotebookLine:
    """A line of text below the cell that runs, which follows the latest text as often as a reader can see."""

    def __init__(self, text: str) -> None:
        from IPython.display import display

        self._text = text
        self._handle: Any = display({"text/plain": text}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._sent = perf_counter()

    def show(self, text: str) -> None:
        self._text = text
        if perf_counter() - self._sent >= REFRESH:
            self.end()

    def end(self) -> None:
        """Send the latest text."""
        self._sent = perf_counter()
        self._handle.update({"text/plain": self._text}, raw=True)
