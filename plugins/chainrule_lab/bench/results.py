"""What a benchmark finds out about one optimizer on one task, as data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

from chainrule_lab.bench.protocol import median
from chainrule_lab.setting_texts import short

Track: TypeAlias = Literal["A", "B", "C"]


@dataclass(frozen=True)
class Point:
    """Settings that are tried.

    Attributes:
        settings: pairs of a name and its number; what is left out has its default.
        schedule: "constant" or "cosine".
    """

    settings: tuple[tuple[str, float], ...]
    schedule: str

    @classmethod
    def of(cls, settings: Mapping[str, float], schedule: str) -> Self:
        """Return the point of settings by name."""
        return cls(tuple(settings.items()), schedule)

    def order(self) -> tuple[Any, ...]:
        """Return what orders points of equal losses: the smaller lr first, then the smaller decay."""
        own = dict(self.settings)
        return own.get("lr", 0.0), own.get("weight_decay", 0.0), self.schedule, self.settings

    def __str__(self) -> str:
        numbers = [f"{name}={short(value)}" for name, value in self.settings]
        return ", ".join([*numbers, self.schedule]) if numbers else "the defaults"


@dataclass(frozen=True)
class Outcome:
    """An optimizer on a task, tuned and then run with the final seeds.

    Attributes:
        task: the task's name.
        contender: the optimizer's name.
        track: "A", "B" or "C".
        horizon: a multiple of the task's epochs.
        tried: the validation losses at each point, one for each tuning seed; +∞ where the run diverged.
        chosen: the point of the final runs; None if every point diverged.
        log: what happened to the grid, a sentence each.
        test: for each final seed the test loss, +∞ where the run diverged.
        metric: for each final seed the task's first metric on the test split; none for a task without.
        train: for each final seed the mean loss over the steps of the last epoch.
        curves: for each final seed the validation loss after every epoch.
    """

    task: str
    contender: str
    track: Track
    horizon: int
    tried: Mapping[Point, Sequence[float]]
    chosen: Point | None
    log: Sequence[str]
    test: Sequence[float]
    metric: Sequence[float]
    train: Sequence[float]
    curves: Sequence[Sequence[float]]

    @property
    def diverged(self) -> int:
        """The number of final runs that diverged."""
        return sum(map(math.isinf, self.test))

    def medians(self) -> dict[Point, float]:
        """Return the median validation loss of each point."""
        return {point: median(losses) for point, losses in self.tried.items()}

    def by_rate(self, schedule: str | None = None) -> dict[float, float]:
        """Return for each lr the lowest median validation loss over all decays, and over schedules if None."""
        found: dict[float, float] = {}
        for point, loss in self.medians().items():
            if schedule in (None, point.schedule) and "lr" in dict(point.settings):
                lr = dict(point.settings)["lr"]
                found[lr] = min(loss, found.get(lr, math.inf))
        return dict(sorted(found.items()))


def best_point(tried: Mapping[Point, Sequence[float]]) -> Point | None:
    """Return the point of the lowest median loss, of equal ones that of the smallest lr; None if all diverged."""
    best = min(tried, key=lambda point: (median(tried[point]), point.order()))
    return best if math.isfinite(median(tried[best])) else None


def as_plain(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON has it; +∞ is null."""
    plain = vars(outcome) | {
        "tried": [[*_plain_point(point), list(losses)] for point, losses in outcome.tried.items()],
        "chosen": None if outcome.chosen is None else _plain_point(outcome.chosen),
    }
    found: dict[str, Any] = json.loads(json.dumps(_with_null(plain), allow_nan=False))
    return found


def from_plain(plain: Mapping[str, Any]) -> Outcome:
    """Return the outcome that `as_plain` has described."""
    tried = {_point(settings, schedule): _numbers(losses) for settings, schedule, losses in plain["tried"]}
    chosen = None if plain["chosen"] is None else _point(*plain["chosen"])
    numbers = {name: _numbers(plain[name]) for name in ("test", "metric", "train")}
    curves = [_numbers(curve) for curve in plain["curves"]]
    return Outcome(**{**plain, "tried": tried, "chosen": chosen, **numbers, "curves": curves})


def _plain_point(point: Point) -> list[Any]:
    return [dict(point.settings), point.schedule]


def _point(settings: Mapping[str, float], schedule: str) -> Point:
    return Point.of(settings, schedule)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.inf if value is None else value for value in values]


def _with_null(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _with_null(one) for key, one in value.items()}
    return [_with_null(one) for one in value] if isinstance(value, list | tuple) else value
