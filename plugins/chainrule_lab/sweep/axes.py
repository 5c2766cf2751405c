"""The settings of a sweep as axes of figures: numbers, on a logarithm where they span decades, or names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from chainrule_lab.setting_texts import told_apart
from chainrule_lab.sweep.results import Results, Row
from chainrule_lab.sweep.space import SEED, Setting

SPANS = 20.0
"""How many times the least value the greatest must be for a logarithmic axis."""

HALF = 0.3
"""How far up a linear axis the middle value may be for a logarithmic one, as a part of the greatest."""


CEILING = 100.0
"""How many times the median loss a figure shows."""


@dataclass(frozen=True)
class Axis:
    """A setting that has several values.

    Attributes:
        name: its name.
        values: its values, in order.
        is_number: whether all are numbers.
        is_log: whether these span decades.
    """

    name: str
    values: list[Setting]
    is_number: bool
    is_log: bool

    def place(self, row: Row) -> float:
        """Return where a row stands on the axis: its number, or the index of its value."""
        value: Any = row.settings[self.name]
        return float(value) if self.is_number else float(self.values.index(value))

    def share(self, row: Row) -> float:
        """Return how far along the axis a row stands, from 0 to 1."""
        ends = (0.0, len(self.values) - 1.0)
        place = self.place(row)
        if self.is_number:
            numbers: list[Any] = [self.values[0], self.values[-1]]
            ends = (float(numbers[0]), float(numbers[1]))
        if self.is_log:
            place, ends = math.log(place), (math.log(ends[0]), math.log(ends[1]))
        return (place - ends[0]) / (ends[1] - ends[0])


def axes_of(results: Results) -> list[Axis]:
    """Return the settings that have several values but for the seed: numbers first, and of these a learning rate."""
    axes = [_axis(name, results) for name in results.searched if name != SEED]
    return sorted(axes, key=lambda axis: (not axis.is_number, axis.name.rpartition(".")[2] != "lr"))


def texts_in(results: Results) -> Callable[[str, Setting], str]:
    """Return what gives the text of a setting's value, which differs from those of its other values in the results."""

    @cache
    def texts(name: str) -> dict[str, str]:
        values = {repr(row.settings[name]): row.settings[name] for row in results}
        return dict(zip(values, told_apart([*values.values()]), strict=True))

    return lambda name, value: texts(name)[repr(value)]


def main_curve(results: Results) -> str:
    """Return the curve that figures show: the loss on the validation split, where there is one."""
    return "validation_loss" if "validation_loss" in results.curves else "train_loss"


def ends_of(rows: Sequence[Row], curve: str) -> Any:
    """Return the last value of each row's curve; infinite where it is not finite."""
    found = np.array([row.last(curve) for row in rows], dtype=float)
    return np.where(np.isfinite(found), found, np.inf)


def ceiling_of(values: Any) -> float:
    """Return the greatest loss that a figure shows, since those on their way to infinity would hide all others."""
    finite = values[np.isfinite(values)]
    return float(min(finite.max(), CEILING * np.median(finite))) if len(finite) and finite.min() > 0 else math.inf


def _axis(name: str, results: Results) -> Axis:
    distinct = list({repr(row.settings[name]): row.settings[name] for row in results}.values())
    numbers: list[Any] = [one for one in distinct if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) < len(distinct):
        return Axis(name, distinct, is_number=False, is_log=False)
    numbers.sort()
    middle = float(np.median([float(number) for number in numbers]))
    is_log = numbers[0] > 0 and numbers[-1] >= SPANS * numbers[0] and middle <= HALF * numbers[-1]
    return Axis(name, numbers, is_number=True, is_log=is_log)
