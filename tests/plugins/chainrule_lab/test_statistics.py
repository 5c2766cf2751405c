import math
import statistics as standard

import pytest
from scipy import stats

from chainrule_lab.statistics import (
    Interval,
    all_of,
    at_least,
    is_above,
    is_below,
    is_level,
    mean_and_deviation,
    one_more_run,
    paired_interval,
)

FIRST, SECOND = [5.1, 4.7, 6.0, 5.5, 5.2], [4.9, 4.8, 5.1, 5.0, 4.6]


def test_the_deviation_is_that_of_a_sample():
    assert mean_and_deviation([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, standard.stdev([1.0, 2.0, 4.0])))
    assert mean_and_deviation([1.0, 2.0, 4.0])[1] != pytest.approx(standard.pstdev([1.0, 2.0, 4.0]))


def test_a_paired_interval_is_that_of_a_t_test_on_the_pairs():
    found = paired_interval(FIRST, SECOND)
    oracle = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), rel=1e-12)
    unpaired = stats.ttest_ind(FIRST, SECOND).confidence_interval(0.95)
    assert found.low != pytest.approx(unpaired.low, rel=1e-2)


@pytest.mark.parametrize(("count", "quantile"), [(2, 12.706), (10, 2.262), (31, 2.042)])
def test_half_the_interval_is_the_tabled_quantile_of_t_times_the_standard_error(count, quantile):
    differences = [float(i % 2) for i in range(count)]
    found = paired_interval(differences, [0.0] * count)
    error = standard.stdev(differences) / math.sqrt(count)
    assert (found.high - found.low) / 2 / error == pytest.approx(quantile, abs=5e-4)


def test_one_more_run_is_wider_than_the_mean_by_the_spread_of_a_run():
    mean, run = paired_interval(FIRST, [0.0] * 5), one_more_run(FIRST)
    assert run.mean == mean.mean
    assert (run.high - run.low) / (mean.high - mean.low) == pytest.approx(math.sqrt(5 + 1))


@pytest.mark.parametrize(
    ("low", "high", "above", "below"),
    [
        (0.1, 0.2, "yes", "no"),
        (-0.2, -0.1, "no", "yes"),
        (-0.1, 0.1, "undecided", "undecided"),
        (0.0, 0.0, "undecided", "undecided"),
        (0.0, 0.1, "undecided", "undecided"),
        (math.nan, math.nan, "undecided", "undecided"),
    ],
)
def test_an_interval_that_holds_the_bound_is_undecided(low, high, above, below):
    interval = Interval((low + high) / 2, low, high)
    assert (is_above(interval), is_below(interval)) == (above, below)


@pytest.mark.parametrize(
    ("low", "high", "level"),
    [
        (-0.5, 0.5, "yes"),
        (0.1, 0.2, "yes"),
        (0.4, 0.6, "undecided"),
        (-2.0, 2.0, "undecided"),
        (0.6, 0.9, "no"),
        (-0.9, -0.6, "no"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_level_needs_the_whole_interval_within_the_margin(low, high, level):
    assert is_level(Interval((low + high) / 2, low, high), 0.5) == level


def test_all_of_is_refuted_by_one_no_and_left_open_by_one_undecided():
    assert all_of(["yes", "yes"]) == "yes"
    assert all_of(["yes", "undecided"]) == "undecided"
    assert all_of(["yes", "undecided", "no"]) == "no"


def test_at_least_three_of_four_is_refuted_by_two():
    assert at_least(3, ["yes", "yes", "yes", "no"]) == "yes"
    assert at_least(3, ["yes", "yes", "undecided", "no"]) == "undecided"
    assert at_least(3, ["yes", "yes", "no", "no"]) == "no"
