"""Means, paired differences with confidence intervals, and the verdicts that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import stdtrit

Verdict: TypeAlias = Literal["yes", "no", "undecided"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and an interval around it."""

    mean: float
    low: float
    high: float


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation (divisor n − 1)."""
    return float(np.mean(values)), float(np.std(values, ddof=1))


def paired_interval(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Return the mean of first − second over seeds with its 95 % confidence interval.

    Formula: ``d̄ ± t₀.₉₇₅,ₙ₋₁ · s / √n`` for n differences d with standard deviation s
    """
    differences = np.asarray(first) - np.asarray(second)
    mean, deviation = mean_and_deviation(differences.tolist())
    half = _quantile(len(differences)) * deviation / math.sqrt(len(differences))
    return Interval(mean, mean - half, mean + half)


def one_more_run(values: Sequence[float]) -> Interval:
    """Return the mean with the 95 % prediction interval for one more run.

    Formula: ``x̄ ± t₀.₉₇₅,ₙ₋₁ · s · √(1 + 1/n)``
    """
    mean, deviation = mean_and_deviation(values)
    half = _quantile(len(values)) * deviation * math.sqrt(1 + 1 / len(values))
    return Interval(mean, mean - half, mean + half)


def is_above(interval: Interval, bound: float = 0.0) -> Verdict:
    """Decide whether the mean is above the bound; undecided if the interval contains the bound."""
    if interval.low > bound:
        return "yes"
    return "no" if interval.high < bound else "undecided"


def is_below(interval: Interval, bound: float = 0.0) -> Verdict:
    """Decide whether the mean is below the bound; undecided if the interval contains the bound."""
    if interval.high < bound:
        return "yes"
    return "no" if interval.low > bound else "undecided"


def is_level(interval: Interval, margin: float) -> Verdict:
    """Decide whether the mean is within ±margin: yes if the whole interval is, no if none of it is."""
    if -margin <= interval.low and interval.high <= margin:
        return "yes"
    return "no" if interval.low > margin or interval.high < -margin else "undecided"


def at_least(count: int, verdicts: Sequence[Verdict]) -> Verdict:
    """Decide whether at least count statements hold, from the verdict on each."""
    if verdicts.count("yes") >= count:
        return "yes"
    return "no" if verdicts.count("no") > len(verdicts) - count else "undecided"


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Decide whether all statements hold: no if any verdict is no, otherwise undecided if any is."""
    return at_least(len(verdicts), verdicts)


def _quantile(count: int) -> float:
    return float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
