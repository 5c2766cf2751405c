"""Several optimizers over several tasks: performance profiles and mean ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from chainrule_lab.bench.statistics.paired import Interval

RESAMPLES = 2000


def performance_profile(costs: Mapping[str, Sequence[float]], ratios: Sequence[float]) -> dict[str, list[float]]:
    """Return for each optimizer the share of tasks on which its cost is at most a ratio times the least.

    A task that all fail counts for none of them.

    Args:
        costs: positive costs by optimizer, one for each task, +∞ where it failed.
        ratios: from 1 on.

    Formula: ``ρ(τ) = |{tasks: cost ≤ τ · least cost}| / |tasks|``
    Source:  Dolan & Moré 2002, "Benchmarking optimization software with performance profiles"
    """
    table = np.asarray(list(costs.values()), float)  # (optimizers, tasks)
    least = table.min(0)
    relative = np.where(np.isfinite(table), table / np.where(np.isfinite(least), least, 1.0), np.inf)
    return {
        name: [float((row <= ratio * (1 + 1e-12)).mean()) for ratio in ratios]
        for name, row in zip(costs, relative, strict=True)
    }


def mean_ranks(losses: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Interval]:
    """Return the mean over tasks of each optimizer's rank by its median loss, with a 95 % interval.

    Ranks are from 1, the best, and equal losses share theirs. The interval is of percentiles of a bootstrap that draws
    tasks, and seeds within them: the same for all optimizers, since these are paired.

    Args:
        losses: by optimizer, for each task the losses of all seeds.
    """
    table = np.asarray(list(losses.values()), float)  # (optimizers, tasks, seeds)
    _, tasks, seeds = table.shape
    generator = np.random.default_rng(0)
    rows = generator.integers(tasks, size=(RESAMPLES, tasks, 1))
    columns = generator.integers(seeds, size=(RESAMPLES, tasks, seeds))
    means, drawn = _mean_ranks(table), _mean_ranks(table[:, rows, columns].swapaxes(0, 1))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {name: Interval(float(means[i]), float(low[i]), float(high[i])) for i, name in enumerate(losses)}


def _mean_ranks(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean ranks (…, optimizers) of losses (…, optimizers, tasks, seeds)."""
    medians = np.sort(losses, -1)[..., losses.shape[-1] // 2]  # of an even number the larger, never half of ∞ − ∞
    ranks: NDArray[np.float64] = rankdata(medians, axis=-2).mean(-1)
    return ranks
