"""Two optimizers over the same seeds: their mean difference, a test, and whether they are equivalent."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import DegenerateDataWarning, bootstrap, rankdata, t

Verdict: TypeAlias = Literal["better", "worse", "equivalent", "undecided"]
Floats: TypeAlias = NDArray[np.float64]

RESAMPLES = 9999
EXACT = 20
"""The most pairs for which every one of the 2ⁿ flips is looked at."""

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval, whose ends may be infinite."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """One optimizer against another over the same seeds.

    Attributes:
        difference: the mean of first − second, with its 95 % interval.
        narrow: the same with the 90 % interval, for equivalence.
        p: the p-value of the sign-flip test, not adjusted.
        statistic: what that test sums, below 0 where the first is better.
    """

    difference: Interval
    narrow: Interval
    p: float
    statistic: float


def differences(first: Sequence[float], second: Sequence[float]) -> Floats:
    """Return first − second for each seed; 0 where both are infinite, since neither is better there."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(a) & (a == b), 0.0, a - b)


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compare two optimizers by one value for each of the same seeds."""
    found = differences(first, second)
    statistic = float(_scores(found).sum())
    return Comparison(mean_interval(found), mean_interval(found, 0.90), sign_flip(found), statistic)


def mean_interval(values: Sequence[float] | Floats, confidence: float = 0.95) -> Interval:
    """Return the mean with its BCa bootstrap interval, the same at every call.

    With infinite values it is the percentile interval on the extended real line, in which ∞ − ∞ may be anything.

    Source: Efron 1987, "Better bootstrap confidence intervals"; scipy.stats.bootstrap
    """
    x = np.asarray(values, float)
    if np.isinf(x).any():
        return _extended_interval(x, confidence)
    mean = float(x.mean())
    if np.ptp(x) == 0:  # no resample differs, for which BCa is not defined
        return Interval(mean, mean, mean)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DegenerateDataWarning)
        result = bootstrap((x,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="BCa", rng=0)
    return Interval(mean, float(result.confidence_interval.low), float(result.confidence_interval.high))


def _extended_interval(x: Floats, confidence: float) -> Interval:
    resamples = np.random.default_rng(0).choice(x, (RESAMPLES, len(x)))
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        means, mean = resamples.mean(1), float(x.mean())
    low = np.quantile(np.where(np.isnan(means), -np.inf, means), tail, method="lower")
    high = np.quantile(np.where(np.isnan(means), np.inf, means), 1 - tail, method="higher")
    return Interval(mean, float(low), float(high))


def sign_flip(values: Sequence[float] | Floats) -> float:
    """Return the two-sided p-value of the hypothesis that each difference may as well have the other sign.

    The statistic is the sum of the differences or, where one is infinite, of their signed ranks by size: which of the
    two follows from the sizes alone, so that the test stays exact. Up to 20 pairs every flip is counted.

    Formula: the share of flips s with ``|Σ sᵢ dᵢ| ≥ |Σ dᵢ|``
    Source:  Fisher 1935, "The design of experiments", section 21
    """
    scores = _scores(np.asarray(values, float))
    if not len(scores):
        return 1.0
    reached = abs(scores.sum()) * (1 - 1e-12)
    if len(scores) <= EXACT:
        half = len(scores) // 2
        sums = _flipped(scores[:half])[:, None] + _flipped(scores[half:])[None]
        return float((np.abs(sums) >= reached).mean())
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (RESAMPLES, len(scores)))
    return float((1 + (np.abs(signs @ scores) >= reached).sum()) / (1 + RESAMPLES))


def _scores(x: Floats) -> Floats:
    """Return what the sign-flip test sums for differences, of those that a flip changes."""
    x = x[x != 0]
    scores: Floats = np.sign(x) * rankdata(np.abs(x)) if np.isinf(x).any() else x / np.abs(x).max(initial=0.0)
    return scores


def _flipped(scores: Floats) -> Floats:
    """Return the sums of the scores under all choices of signs."""
    sums = np.zeros(1)
    for score in scores:
        sums = np.concatenate([sums + score, sums - score])
    return sums


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in the same order.

    Formula: ``p̃₍ᵢ₎ = max over j ≤ i of min(1, (n − j + 1) p₍ⱼ₎)`` for the sorted p-values
    Source:  Holm 1979, "A simple sequentially rejective multiple test procedure"
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in adjusted]


def verdict(comparison: Comparison, adjusted_p: float, margin: float) -> Verdict:
    """Decide what a comparison of losses shows: a difference, none beyond the margin, or nothing.

    A difference that is significant is said to be one even where it lies within the margin; its sign is that of the
    test's statistic, since with diverged runs the mean is infinite or none.
    """
    if adjusted_p <= SIGNIFICANCE:
        return "better" if comparison.statistic < 0 else "worse"
    if -margin <= comparison.narrow.low and comparison.narrow.high <= margin:
        return "equivalent"
    return "undecided"


def noise_floor(values: Sequence[float]) -> float:
    """Return how far apart the means of one optimizer over two sets of as many seeds are, in 95 of 100 cases at most.

    Formula: ``t₀.₉₇₅,ₙ₋₁ s √(2/n)`` for n values with standard deviation s; +∞ if one is infinite
    """
    x = np.asarray(values, float)
    if np.isinf(x).any() or len(x) < 2:
        return float("inf")
    return float(t.ppf(0.975, len(x) - 1) * x.std(ddof=1) * (2 / len(x)) ** 0.5)
