"""The protocol's constants: what is the same for every optimizer, and how a run counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

PROTOCOL = 1
"""The number of this protocol, part of every cell's key: a change of the rules here raises it."""

TUNING_SEEDS = (1000, 1001, 1002)
FINAL_SEEDS = tuple(range(20))
HORIZONS = (1, 2, 4)
"""Multiples of a task's epochs; each is tuned by itself."""

SCHEDULES = ("constant", "cosine")
LEARNING_RATES = 13
"""Points of the grid, half a decade apart."""

DECAYS = 5
"""Points of the grid: none, and four decades up to the largest that is declared."""

EXTENSIONS, EXTENDED_BY = 2, 2
"""How often a grid whose best value is at its edge is extended, and by how many points."""

DRAWS = 50
"""Scrambled Sobol points of track C."""

FEW_TRIALS = 10
"""Of so many points, drawn at random from those that were tried, the report says what the best typically reaches."""

DIVERGED_ABOVE = 10.0
"""A run diverged if its last validation loss is not finite, or more than this times the loss L before training.

Where L is below 0, it may exceed L by as much as where it is −L.
"""

MARGIN = 0.05
"""Two optimizers are equivalent within this part of the baseline's mean test loss, of the runs that did not diverge."""

TARGET_SHARE = 0.75
"""The target is what the best tuned baseline has reached, in the median, after this part of the budget."""

DEFAULT_TASKS = ("digits_mlp", "diabetes", "noisy_quadratic", "two_spirals")
QUICK_TASKS = ("digits_mlp", "noisy_quadratic")


def counted(loss: float, initial: float) -> float:
    """Return a loss as it counts: +∞ where the run diverged."""
    bound = initial + (DIVERGED_ABOVE - 1) * abs(initial)
    return loss if math.isfinite(loss) and loss <= bound else math.inf


def median(values: Sequence[float]) -> float:
    """Return the median, of an even number of values the larger of the middle two, so that ∞ is never halved."""
    return sorted(values)[len(values) // 2]
