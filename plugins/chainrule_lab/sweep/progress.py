"""`Bar`: how far a sweep is, on a terminal or in a notebook only."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chainrule import console


class Bar:
    """A progress bar over the trials of a sweep; an ensemble in this process advances it with every epoch."""

    def __init__(self, name: str, trials: int, finished: int) -> None:
        shown = console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal)
        self._name = name
        self._task = self._progress.add_task(name, total=trials, completed=finished)

    def epochs(self, members: int, epochs: int) -> Callable[[], None]:
        """Return what advances the bar by one epoch of so many members."""
        return lambda: self.advance(members / max(1, epochs))

    def advance(self, trials: float) -> None:
        """Move on by so many trials."""
        self._progress.advance(self._task, trials)

    def finished(self, trials: int) -> None:
        """Show that so many trials are finished."""
        self._progress.update(self._task, completed=trials)

    def wait_for_others(self, waits: bool) -> None:
        """Say whether what is missing is trained by another process."""
        added = ", waiting for another process" if waits else ""
        self._progress.update(self._task, description=f"{self._name}{added}")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()
