"""What tuning costs: the best of k trials, and the steps until a target is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, inf


def typical_best(losses: Sequence[float], k: int) -> float:
    """Return the median of the least loss of k different trials drawn from these; all of them if there are fewer.

    The expectation would be infinite as long as all k may have diverged, however unlikely.

    Formula: the least ``x₍ᵢ₎`` with ``1 − C(n − i, k) / C(n, k) ≥ 1/2``
    Source:  after Dodge et al. 2019, arXiv:1909.03004, without replacement as Tang et al. 2020, arXiv:2004.14545
    """
    ordered, n = sorted(losses), len(losses)
    k = min(k, n)
    return next(loss for i, loss in enumerate(ordered, 1) if 2 * comb(n - i, k) <= comb(n, k))


@dataclass(frozen=True)
class StepsToTarget:
    """The steps that runs took to a target, of which some may not have reached it.

    Attributes:
        steps: one for each run; +∞ is censored at the end of the run.
        median: +∞ if half or more of the runs are censored.
        reached: the number of runs that reached the target.
    """

    steps: tuple[float, ...]
    median: float
    reached: int


def steps_to_target(curves: Sequence[Sequence[float]], target: float, steps_per_value: int) -> StepsToTarget:
    """Return when each curve first was at most the target.

    Args:
        curves: for each run the losses at equal distances.
        target: the loss to reach.
        steps_per_value: the steps from one loss to the next; the first is after as many.
    """
    steps = tuple(
        next((i * steps_per_value for i, loss in enumerate(curve, 1) if loss <= target), inf) for curve in curves
    )
    ordered = sorted(steps)
    middle = ordered[len(ordered) // 2]  # of an even number the later, as half of ∞ is no number of steps
    return StepsToTarget(steps, middle, sum(step < inf for step in steps))
