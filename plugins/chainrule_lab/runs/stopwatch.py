"""The callback that counts the seconds of a run, those before it was resumed included."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from chainrule import Run, hookimpl


class Stopwatch:
    """Count seconds from the start of a fit on, and go on counting where a resumed run was saved.

    Attributes:
        run: the run, once it has started.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self._before, self._started = 0.0, perf_counter()

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        self.run, self._started = run, perf_counter()

    @property
    def seconds(self) -> float:
        """The seconds so far."""
        return self._before + perf_counter() - self._started

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self.seconds}

    def load_state_dict(self, saved: Mapping[str, float]) -> None:
        self._before = saved["seconds"]
