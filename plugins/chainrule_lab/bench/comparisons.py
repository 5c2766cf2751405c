"""What a benchmark's outcomes show: the comparisons of a track, and the measures of each optimizer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from chainrule_lab.bench.contenders import BASELINES
from chainrule_lab.bench.protocol import MARGIN, TARGET_SHARE, median
from chainrule_lab.bench.results import Outcome, Track
from chainrule_lab.bench.statistics.paired import Comparison, Verdict, compare, holm, noise_floor, verdict
from chainrule_lab.bench.statistics.trials import StepsToTarget, steps_to_target

NEAR = 1.25
"""A learning rate is as good as the best one if its validation loss is at most this times that of the best."""


@dataclass(frozen=True)
class Compared:
    """An optimizer against a baseline.

    Attributes:
        outcome: that of the optimizer.
        baseline: that of the baseline.
        comparison: their paired test losses, the optimizer's less the baseline's.
        adjusted_p: by Holm over all comparisons of the track.
        verdict: what that shows about the optimizer.
    """

    outcome: Outcome
    baseline: Outcome
    comparison: Comparison
    adjusted_p: float
    verdict: Verdict


def compared(outcomes: Sequence[Outcome], track: Track) -> list[Compared]:
    """Compare each optimizer that is no baseline with each baseline, on every task and horizon of a track.

    Without any other than baselines, each of these is compared with adamw.
    """
    own = [one for one in outcomes if one.track == track]
    others = [one for one in own if one.contender not in BASELINES]
    pairs = [
        (one, baseline)
        for one in others or own
        for baseline in own
        if baseline.contender in (BASELINES if others else ("adamw",))
        and (one.task, one.horizon) == (baseline.task, baseline.horizon)
        and one is not baseline
    ]
    comparisons = [compare(one.test, baseline.test) for one, baseline in pairs]
    adjusted = holm([found.p for found in comparisons])
    return [
        Compared(one, baseline, found, p, verdict(found, p, _margin(baseline)))
        for (one, baseline), found, p in zip(pairs, comparisons, adjusted, strict=True)
    ]


def _margin(baseline: Outcome) -> float:
    """Return how large a difference from a baseline may be that counts as none."""
    finite = [loss for loss in baseline.test if math.isfinite(loss)]
    return MARGIN * abs(float(np.mean(finite))) if finite else 0.0


def target_of(outcomes: Sequence[Outcome]) -> float:
    """Return the target of one stage: the median validation loss of its best baseline at 75 % of the budget.

    The best is the one whose last validation loss has the lowest median.
    """
    baselines = [one for one in outcomes if one.contender in BASELINES and one.curves]
    if not baselines:
        return math.nan
    best = min(baselines, key=lambda one: median([curve[-1] for curve in one.curves]))
    epoch = math.ceil(TARGET_SHARE * len(best.curves[0]))
    return median([curve[epoch - 1] for curve in best.curves])


def steps_of(outcome: Outcome, target: float, steps_per_epoch: int) -> StepsToTarget:
    """Return the steps in which the final runs reached the target."""
    curves = outcome.curves or [[math.inf]] * len(outcome.test)
    return steps_to_target(curves, target, steps_per_epoch)


def robustness(outcome: Outcome) -> float:
    """Return for how many decades of the learning rate the validation loss is near the best.

    It is half a decade for each neighbour of the best rate, and of theirs in turn, that is near; NaN without tuning.
    """
    losses = list(outcome.by_rate().values())
    if not losses:
        return math.nan
    if not math.isfinite(min(losses)):
        return 0.0
    first = last = losses.index(min(losses))
    near = min(losses) + (NEAR - 1) * abs(min(losses))
    while first > 0 and losses[first - 1] <= near:
        first -= 1
    while last < len(losses) - 1 and losses[last + 1] <= near:
        last += 1
    return (last - first) / 2


def noise(outcomes: Sequence[Outcome]) -> float:
    """Return the noise floor of a stage, the median of its optimizers'; no smaller difference of means counts."""
    return median([noise_floor(one.test) for one in outcomes])


def ranks(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return the ranks of one stage's optimizers by their median test loss, from 1."""
    ordered = sorted(outcomes, key=lambda one: median(one.test))
    return {one.contender: rank for rank, one in enumerate(ordered, 1)}


def flips(by_horizon: Mapping[int, Sequence[Outcome]]) -> list[tuple[str, str, int, int]]:
    """Return the pairs of optimizers whose order at one horizon is another at the next: (a, b, before, after).

    a is better than b at the first of the two horizons, and b better than a at the second, each by more than the noise.
    """
    found = []
    for before, after in pairwise(sorted(by_horizon)):
        first, second = _clear_orders(by_horizon[before]), _clear_orders(by_horizon[after])
        found += [(a, b, before, after) for a, b in first if (b, a) in second]
    return found


def _clear_orders(outcomes: Sequence[Outcome]) -> dict[tuple[str, str], None]:
    """Return the pairs whose first has a mean test loss that is lower than the second's by more than the noise."""
    floor = noise(outcomes) if outcomes else 0.0
    means = {one.contender: float(np.mean(one.test)) for one in outcomes}
    return {(a, b): None for a in means for b in means if means[a] < means[b] - floor}
