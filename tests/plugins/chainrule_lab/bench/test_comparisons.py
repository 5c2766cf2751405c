from math import inf

import pytest

from chainrule_lab.bench.comparisons import compared, flips, ranks, robustness, steps_of, target_of
from chainrule_lab.bench.results import Point


def test_each_named_optimizer_meets_each_baseline_on_each_task(benchmark_outcomes):
    found = compared(benchmark_outcomes, "B")
    assert len(found) == 2 * 2 * 6
    verdicts = {one.verdict for one in found if one.outcome.contender == "Good"}
    assert verdicts == {"better"}
    bad = [one for one in found if one.outcome.contender == "Bad"]
    assert {one.verdict for one in bad} == {"worse"}
    assert all(one.comparison.difference.high == inf for one in bad)


def test_holm_counts_all_comparisons_of_the_track(benchmark_outcomes):
    found = compared(benchmark_outcomes, "B")
    least = min(found, key=lambda one: one.comparison.p)
    assert least.comparison.p == 2 / 2**20  # all seeds agree
    assert least.adjusted_p == pytest.approx(24 * least.comparison.p)
    assert compared(benchmark_outcomes, "A") == []


def test_baselines_alone_are_compared_with_adamw(outcome):
    found = compared([outcome("adam"), outcome("adamw"), outcome("lion")], "B")
    assert [(one.outcome.contender, one.baseline.contender) for one in found] == [("adam", "adamw"), ("lion", "adamw")]


def test_one_diverged_run_of_the_baseline_makes_nothing_equivalent_to_it(outcome):
    own = [outcome("adam"), outcome("adamw", diverged=1)]
    (found,) = compared(own, "B")
    assert (found.comparison.narrow.low, found.verdict) == (-inf, "undecided")
    (found,) = compared([outcome("adam", diverged=1), own[1]], "B")
    assert found.verdict == "equivalent"  # apart from the seed with which both diverge


def test_negative_losses_have_a_margin_and_near_rates_too(outcome):
    (found,) = compared([outcome("adam", level=-0.2), outcome("adamw", level=-0.2)], "B")
    assert found.verdict == "equivalent"
    tried = {Point.of({"lr": lr}, "constant"): [loss] * 3 for lr, loss in {0.1: -1.0, 0.316: -0.8, 1.0: -0.7}.items()}
    assert robustness(type(found.outcome)(**{**vars(found.outcome), "tried": tried})) == 0.5


def test_the_target_is_that_of_the_best_baseline_after_three_quarters(outcome):
    own = [outcome("sgd", level=0.4), outcome("adam", level=0.2), outcome("Mine", level=0.1)]
    curves = sorted(curve[2] for curve in own[1].curves)
    assert target_of(own) == curves[10]
    found = steps_of(own[2], target_of(own), steps_per_epoch=7)
    assert found.steps == (14,) * 20  # the second value is 0.2, the target 0.3
    assert steps_of(own[0], target_of(own), 7).reached == 0


def test_robustness_counts_half_decades_around_the_best_rate(outcome):
    one = outcome("adam")
    losses = {0.01: 1.2, 0.0316: 1.1, 0.1: 1.0, 0.316: 1.3, 1.0: 1.0}
    tried = {Point.of({"lr": lr}, "constant"): [loss] * 3 for lr, loss in losses.items()}
    assert robustness(type(one)(**{**vars(one), "tried": tried})) == 1.0
    tried = {Point.of({"lr": 0.1}, "constant"): [inf] * 3}
    assert robustness(type(one)(**{**vars(one), "tried": tried})) == 0.0


def test_an_order_that_changes_with_the_horizon_is_a_flip(outcome):
    short = [outcome("adam", level=0.2), outcome("lion", level=0.3)]
    long = [outcome("adam", level=0.2, horizon=4), outcome("lion", level=0.1, horizon=4)]
    assert ranks(short) == {"adam": 1, "lion": 2}
    assert flips({1: short, 4: long}) == [("adam", "lion", 1, 4)]
    assert flips({1: short, 2: short}) == []
    level = [outcome("adam", level=0.2, horizon=4), outcome("lion", level=0.1999, horizon=4)]
    assert flips({1: short, 4: level}) == []


@pytest.mark.parametrize("diverged", [11, 20])
def test_divergence_of_most_runs_is_the_last_rank(outcome, diverged):
    assert ranks([outcome("adam", diverged=diverged, level=0.1), outcome("lion", level=0.9)])["adam"] == 2
