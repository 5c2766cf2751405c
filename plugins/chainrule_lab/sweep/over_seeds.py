"""The trials of the same settings over seeds, as one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule_lab.statistics import mean_and_deviation
from chainrule_lab.sweep.axes import axes_of
from chainrule_lab.sweep.results import Results, Row, rank
from chainrule_lab.sweep.space import Setting


@dataclass(frozen=True)
class OverSeeds:
    """The trials of some settings, over the seeds: the mean and deviation of those that did not diverge.

    Attributes:
        settings: those that are searched, but for the seed.
        mean: of the last values of a curve; NaN if all diverged.
        deviation: their standard deviation; NaN for fewer than two.
        diverged: the number of trials that diverged.
        count: the number of all.
    """

    settings: Mapping[str, Setting]
    mean: float
    deviation: float
    diverged: int
    count: int


def over_seeds(results: Results, curve: str) -> list[OverSeeds]:
    """Return the searched settings, first those of which the fewest diverged, and of these the lowest mean."""
    names = [axis.name for axis in axes_of(results)]
    groups: dict[str, list[Row]] = {}
    for row in results:
        groups.setdefault(repr([row.settings[name] for name in names]), []).append(row)
    found = [_of(rows, names, curve) for rows in groups.values()]
    return sorted(found, key=lambda one: (one.diverged, *rank(one.mean, largest=False)))


def _of(rows: Sequence[Row], names: Sequence[str], curve: str) -> OverSeeds:
    ends = [row.last(curve) for row in rows if not row.diverged]
    mean, deviation = mean_and_deviation(ends) if len(ends) > 1 else (ends[0] if ends else math.nan, math.nan)
    settings = {name: rows[0].settings[name] for name in names}
    return OverSeeds(settings, mean, deviation, len(rows) - len(ends), len(rows))
