"""Means, paired differences with their intervals, and the answers that these allow."""

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
    """A mean and the interval around it."""

    mean: float
    low: float
    high: float


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation (divisor n − 1)."""
    return float(np.mean(values)), float(np.std(values, ddof=1))


def paired_interval(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Return the mean of first − second over seeds with its 95 % t interval.

    Formula: ``d̄ ± t₀.₉₇₅,ₙ₋₁ · s / √n`` with d the n differences and s their standard deviation
    """
    differences = np.asarray(first) - np.asarray(second)
    mean, deviation = mean_and_deviation(differences.tolist())
    half = _quantile(len(differences)) * deviation / math.sqrt(len(differences))
    return Interval(mean, mean - half, mean + half)


def one_more_run(values: Sequence[float]) -> Interval:
    """Return where one more run of the same kind falls with 95 % probability.

    Formula: ``x̄ ± t₀.₉₇₅,ₙ₋₁ · s · √(1 + 1/n)``
    """
    mean, deviation = mean_and_deviation(values)
    half = _quantile(len(values)) * deviation * math.sqrt(1 + 1 / len(values))
    return Interval(mean, mean - half, mean + half)


def is_above(interval: Interval, bound: float = 0.0) -> Verdict:
    """Answer whether the mean is above the bound: undecided where the interval holds the bound."""
    if interval.low > bound:
        return "yes"
    return "no" if interval.high < bound else "undecided"


def is_below(interval: Interval, bound: float = 0.0) -> Verdict:
    """Answer whether the mean is below the bound: undecided where the interval holds the bound."""
    if interval.high < bound:
        return "yes"
    return "no" if interval.low > bound else "undecided"


def is_level(interval: Interval, margin: float) -> Verdict:
    """Answer whether the mean is within ±margin: yes where the whole interval is, no where none of it is."""
    if -margin <= interval.low and interval.high <= margin:
        return "yes"
    return "no" if interval.low > margin or interval.high < -margin else "undecided"


def at_least(count: int, verdicts: Sequence[Verdict]) -> Verdict:
    """Answer whether at least so many statements hold, from the answer to each."""
    if verdicts.count("yes") >= count:
        return "yes"
    return "no" if verdicts.count("no") > len(verdicts) - count else "undecided"


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Answer whether every statement holds: one no refutes it, one undecided leaves it open."""
    return at_least(len(verdicts), verdicts)


def _quantile(count: int) -> float:
    return float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
