import math
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata, spearmanr

from chainrule.registry import names
from chainrule_lab.bench.agreement import agreement
from chainrule_lab.bench.published import STUDIES, Study

LOSSES = {"soap": 2.1, "muon": 2.2, "adamw": 2.3, "lion": 2.4}


def study(losses):
    return Study("A Study", "Nobody", 2025, "arXiv:0", "a loss", "nowhere", losses)


def test_the_same_order_is_1_and_the_opposite_one_is_minus_1():
    same = agreement(study(LOSSES), {"lion": 4.0, "soap": 1.0, "adamw": 3.5, "muon": 2.0, "sgd": 9.0})
    assert (same.spearman, same.kendall) == pytest.approx((1.0, 1.0))
    assert same.p == pytest.approx(2 / 24)
    opposite = agreement(study(LOSSES), {"lion": 1.0, "soap": 4.0, "adamw": 2.0, "muon": 3.0})
    assert (opposite.spearman, opposite.kendall) == pytest.approx((-1.0, -1.0))
    assert opposite.p == pytest.approx(2 / 24)


def test_ties_count_as_scipy_counts_them_and_p_is_over_every_order():
    theirs, ours = [1.0, 2.0, 2.0, 4.0, 5.0], [2.5, 1.0, 2.5, 2.5, 6.0]
    found = agreement(study(dict(zip("abcde", theirs, strict=True))), dict(zip("abcde", ours, strict=True)))
    assert found.spearman == pytest.approx(spearmanr(theirs, ours)[0])
    assert found.kendall == pytest.approx(kendalltau(theirs, ours)[0])
    every = [abs(np.corrcoef(order, rankdata(ours))[0, 1]) for order in permutations(rankdata(theirs))]
    assert found.p == pytest.approx(np.mean(np.asarray(every) >= abs(found.spearman) - 1e-12))


def test_the_order_is_the_studys_with_its_ties_marked():
    found = agreement(study({"b": 2.0, "c": 2.0, "a": 1.0, "d": 3.0}), {"a": 4, "b": 1, "d": 2, "c": 3, "e": 5})
    assert found.order == "a, b = c, d"


def test_two_rules_in_common_are_too_few_and_the_others_are_named():
    found = agreement(study(LOSSES), {"lion": 1.0, "muon": 2.0, "sgd": 3.0})
    assert (found.common, found.missing) == (("muon", "lion"), ("soap", "adamw"))
    assert not found.is_defined


def test_ranks_that_all_tie_have_no_correlation():
    found = agreement(study(LOSSES), dict.fromkeys(LOSSES, 2.5))
    assert math.isnan(found.spearman)
    assert math.isnan(found.p)


@pytest.mark.parametrize("published", STUDIES, ids=lambda one: one.identifier)
def test_the_rules_of_a_study_are_registered_and_three_of_them_are_baselines(published):
    assert set(published.losses) <= set(names("optimizers"))
    assert agreement(published, {"adamw": 1.0, "lion": 2.0, "muon": 3.0}).is_defined
