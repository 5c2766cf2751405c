"""How far a report's order of optimizers agrees with a published one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, permutation_test, rankdata, spearmanr

from chainrule_lab.bench.published import Study

FEWEST = 3
"""The least number of rules in common for which orders are compared."""


@dataclass(frozen=True)
class Agreement:
    """The rank correlation of a report with a study.

    Attributes:
        study: the published comparison.
        common: the rules of both, the study's best first.
        missing: the study's other rules.
        spearman: Spearman's coefficient; NaN if too few rules are in common, or all of them tie in one of the two.
        kendall: Kendall's, with the ties counted as τ-b does.
        p: the share of all orders of the rules whose Spearman coefficient is at least as far from 0; NaN as above.
    """

    study: Study
    common: tuple[str, ...]
    missing: tuple[str, ...]
    spearman: float = math.nan
    kendall: float = math.nan
    p: float = math.nan

    @property
    def order(self) -> str:
        """The common rules in the study's order, with = between those that tie."""
        losses = [self.study.losses[name] for name in self.common]
        links = ["", *(" = " if one == other else ", " for one, other in pairwise(losses))]
        return "".join(link + name for link, name in zip(links, self.common, strict=True))

    @property
    def is_defined(self) -> bool:
        """Whether there is a coefficient."""
        return not math.isnan(self.spearman)


def agreement(study: Study, mean_ranks: Mapping[str, float]) -> Agreement:
    """Compare a study's losses with mean ranks, both the lower the better, over the rules in common."""
    ordered = sorted(study.losses, key=lambda name: study.losses[name])
    common = tuple(name for name in ordered if name in mean_ranks)
    missing = tuple(name for name in ordered if name not in mean_ranks)
    theirs = rankdata([study.losses[name] for name in common])
    ours = rankdata([mean_ranks[name] for name in common])
    if len(common) < FEWEST or not np.ptp(theirs) or not np.ptp(ours):
        return Agreement(study, common, missing)
    spearman, kendall = float(spearmanr(theirs, ours)[0]), float(kendalltau(theirs, ours)[0])
    return Agreement(study, common, missing, spearman, kendall, _exact_p(theirs, ours))


def _exact_p(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the share of all orders of the first for which the ranks covary at least as much, whatever the sign."""
    centred = second - second.mean()

    def covariance(ranks: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.abs((ranks * centred).sum(axis))
        return found

    result = permutation_test(
        (first,),
        covariance,
        permutation_type="pairings",
        alternative="greater",
        vectorized=True,
        n_resamples=math.inf,
        batch=100_000,
    )
    return float(result.pvalue)
