"""Which settings are tried: the grid of track B, and the points of track C, from what a rule declares."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from chainrule import Optimizer
from chainrule_lab.bench.protocol import DECAYS, DRAWS, EXTENDED_BY, LEARNING_RATES

DECAY_UP_TO = {"decoupled": 1.0}
"""The largest weight decay of a rule that declares no range, by its kind; else 0.1."""

LOGARITHMIC = 100.0
"""A range whose ends have at least this ratio is searched by its logarithm."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """The learning rates and weight decays of track B, each sorted.

    Attributes:
        rates: half a decade apart.
        decays: 0 and whole decades; empty for a rule without weight decay.
    """

    rates: tuple[float, ...]
    decays: tuple[float, ...]

    def points(self) -> list[dict[str, float]]:
        """Return the settings of every point."""
        if not self.decays:
            return [{"lr": lr} for lr in self.rates]
        return [{"lr": lr, "weight_decay": decay} for lr in self.rates for decay in self.decays]

    def extended(self, best: tuple[float, float], rule: Optimizer) -> Grid:
        """Return the grid with two more points beyond each edge at which its best (lr, weight_decay) lies.

        No decay is below 0, which is no edge; nor is what the rule's bounds allow no point beyond.
        """
        rates, decays = self.rates, self.decays
        lr, decay = best
        if lr in (rates[0], rates[-1]):
            low, step = _half_decades(lr), 1 if lr == rates[-1] else -1
            more = [_rounded(10 ** ((low + step * i) / 2)) for i in range(1, EXTENDED_BY + 1)]
            rates = tuple(sorted({*rates, *_allowed(rule, "lr", more)}))
        if decays and decay == decays[-1]:
            more = [_rounded(decay * 10**i) for i in range(1, EXTENDED_BY + 1)]
            decays = tuple(sorted({*decays, *_allowed(rule, "weight_decay", more)}))
        return Grid(rates, decays)


def grid_of(rule: Optimizer) -> Grid:
    """Return the grid around the middle of the declared range of lr, up to the largest declared decay."""
    low, high = _range(rule, "lr") or (1e-5, 1e1)
    middle = round(math.log10(low * high))  # twice the mean of their logarithms: the number of half decades
    half = LEARNING_RATES // 2
    rates = [_rounded(10 ** (k / 2)) for k in range(middle - half, middle + half + 1)]
    if "weight_decay" not in _fields(rule):
        return Grid(tuple(_allowed(rule, "lr", rates)), ())
    declared = _range(rule, "weight_decay")
    top = declared[1] if declared else DECAY_UP_TO.get(rule.decay_kind, 0.1)
    decays = [0.0, *(_rounded(top * 10.0**-i) for i in reversed(range(DECAYS - 1)))]
    return Grid(tuple(_allowed(rule, "lr", rates)), tuple(_allowed(rule, "weight_decay", decays)))


def sobol_points(rule: Optimizer) -> list[dict[str, float]]:
    """Return the points of track C: scrambled Sobol draws of all numbers that have a range to search."""
    from scipy.stats import qmc

    ranges = {name: found for name in _fields(rule) if (found := _range(rule, name)) is not None}
    sequence = qmc.Sobol(len(ranges), scramble=True, rng=np.random.default_rng(0))
    draws = sequence.random_base2(math.ceil(math.log2(DRAWS)))[:DRAWS].tolist()
    return [{name: _at(u, *ranges[name]) for name, u in zip(ranges, draw, strict=True)} for draw in draws]


def _at(u: float, low: float, high: float) -> float:
    if low > 0 and high / low >= LOGARITHMIC:
        return float(low * (high / low) ** u)
    return low + u * (high - low)


def _fields(rule: Optimizer) -> dict[str, dataclasses.Field[object]]:
    return {field.name: field for field in dataclasses.fields(rule)}


def _range(rule: Optimizer, name: str) -> tuple[float, float] | None:
    found: tuple[float, float] | None = _fields(rule)[name].metadata.get("search")
    return found


def _allowed(rule: Optimizer, name: str, values: Sequence[float]) -> list[float]:
    """Return the values that the field's bounds allow."""
    declared = _fields(rule)[name].metadata
    bounds = {key: declared.get(key) for key in ("at_least", "above", "at_most", "below")}
    least, above, most, below = (bounds[key] for key in bounds)
    return [
        value
        for value in values
        if (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    ]


def _half_decades(value: float) -> int:
    return round(2 * math.log10(value))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
