"""Tuning, selection and the final runs: for all optimizers of a task at once, alike for each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from chainrule_lab.bench.cells import Cell, Cells
from chainrule_lab.bench.contenders import Contender
from chainrule_lab.bench.protocol import EXTENSIONS, FINAL_SEEDS, SCHEDULES, TUNING_SEEDS, counted
from chainrule_lab.bench.results import Outcome, Point, Track, best_point
from chainrule_lab.bench.search_space import Grid, grid_of, sobol_points
from chainrule_lab.sweep.results import Row

Tried = dict[Point, list[float]]


@dataclass
class Tuning:
    """The trials of one optimizer so far."""

    contender: Contender
    tried: Tried = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def chosen(self) -> Point | None:
        """The point of the final runs."""
        return best_point(self.tried) if self.tried else Point((), "constant")


@dataclass(frozen=True)
class Stage:
    """A task, track and horizon, in which all optimizers are tuned and run."""

    cells: Cells
    task: str
    track: Track
    horizon: int

    def outcomes(self, contenders: Sequence[Contender]) -> list[Outcome]:
        """Tune the optimizers and run each with the final seeds."""
        if not contenders:
            return []
        tune = {"A": self._untuned, "B": self._on_grids, "C": self._on_draws}[self.track]
        return self._final(tune(contenders))

    def _untuned(self, contenders: Sequence[Contender]) -> list[Tuning]:
        return [Tuning(contender) for contender in contenders]

    def _on_draws(self, contenders: Sequence[Contender]) -> list[Tuning]:
        tunings = [Tuning(contender) for contender in contenders]
        self._try(
            [
                (tuning, Point.of(settings, SCHEDULES[i % len(SCHEDULES)]))
                for tuning in tunings
                for i, settings in enumerate(sobol_points(tuning.contender.innermost))
            ]
        )
        return tunings

    def _on_grids(self, contenders: Sequence[Contender]) -> list[Tuning]:
        tunings = [Tuning(contender) for contender in contenders]
        grids = [grid_of(contender.innermost) for contender in contenders]
        for extension in range(EXTENSIONS + 1):
            new = [
                (tuning, point)
                for tuning, grid in zip(tunings, grids, strict=True)
                for point in _points(grid)
                if point not in tuning.tried
            ]
            self._try(new)
            extended = [_extended(grid, tuning) for grid, tuning in zip(grids, tunings, strict=True)]
            for tuning, before, after in zip(tunings, grids, extended, strict=True):
                if after != before:
                    _note(tuning, before, after) if extension < EXTENSIONS else _note_end(tuning)
            grids = extended
        return tunings

    def _try(self, points: Sequence[tuple[Tuning, Point]]) -> None:
        """Run points with the tuning seeds."""
        if not points:
            return
        runs = [(tuning, point, seed) for tuning, point in points for seed in TUNING_SEEDS]
        cells = [self._cell(tuning, point, seed) for tuning, point, seed in runs]
        initial = self.cells.make.task(self.task).initial_losses
        for (tuning, point, seed), row in zip(runs, self.cells.rows(self._name("tuning"), cells), strict=True):
            loss = counted(row.last("validation_loss"), initial[seed])
            tuning.tried.setdefault(point, []).append(loss)

    def _final(self, tunings: Sequence[Tuning]) -> list[Outcome]:
        runs = [
            self._cell(tuning, tuning.chosen, seed, final=True)
            for tuning in tunings
            if tuning.chosen is not None
            for seed in FINAL_SEEDS
        ]
        rows = iter(self.cells.rows(self._name("final runs"), runs) if runs else ())
        return [
            self._outcome(tuning, [next(rows) for _ in FINAL_SEEDS if tuning.chosen is not None]) for tuning in tunings
        ]

    def _outcome(self, tuning: Tuning, rows: Sequence[Row]) -> Outcome:
        """Return what final runs have shown; without any, since every point diverged, they count as diverged too."""
        loaded = self.cells.make.task(self.task)
        metrics = list(loaded.task.metrics)[:1]
        initial = loaded.initial_losses
        ends = [
            counted(row.last("validation_loss"), initial[seed]) for seed, row in zip(FINAL_SEEDS, rows, strict=False)
        ]
        return Outcome(
            task=self.task,
            contender=tuning.contender.name,
            track=self.track,
            horizon=self.horizon,
            tried=tuning.tried,
            chosen=tuning.chosen,
            log=tuning.log,
            test=[_test_loss(row, end) for row, end in zip(rows, ends, strict=True)] or [math.inf] * len(FINAL_SEEDS),
            metric=[row.last(f"test_{metric}") for row in rows for metric in metrics],
            train=[row.last("train_loss") for row in rows],
            curves=[[_finite_or_infinite(loss) for loss in row.curve("validation_loss")] for row in rows],
        )

    def _cell(self, tuning: Tuning, point: Point, seed: int, *, final: bool = False) -> Cell:
        return Cell(self.task, tuning.contender.text, point, self.horizon, seed, final)

    def _name(self, what: str) -> str:
        return f"{self.task} ×{self.horizon}, track {self.track}: {what}"


def _points(grid: Grid) -> list[Point]:
    return [Point.of(settings, schedule) for schedule in SCHEDULES for settings in grid.points()]


def _extended(grid: Grid, tuning: Tuning) -> Grid:
    """Return the grid with points beyond the edges at which the best point lies; the same grid if at none."""
    if tuning.chosen is None:
        return grid
    best = dict(tuning.chosen.settings)
    return grid.extended((best["lr"], best.get("weight_decay", 0.0)), tuning.contender.innermost)


def _note(tuning: Tuning, before: Grid, after: Grid) -> None:
    added = [
        f"{name} {', '.join(f'{value:g}' for value in values)}"
        for name, values in (
            ("lr", sorted(set(after.rates) - set(before.rates))),
            ("weight_decay", sorted(set(after.decays) - set(before.decays))),
        )
        if values
    ]
    tuning.log.append(f"The best point, {tuning.chosen}, was at the edge of the grid; added: {'; '.join(added)}.")


def _note_end(tuning: Tuning) -> None:
    tuning.log.append(f"The best point, {tuning.chosen}, is at the edge of the grid still.")


def _test_loss(row: Row, end: float) -> float:
    loss = row.last("test_loss")
    return loss if math.isfinite(end) and math.isfinite(loss) else math.inf


def _finite_or_infinite(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
