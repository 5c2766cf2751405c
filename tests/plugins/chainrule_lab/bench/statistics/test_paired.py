from itertools import product
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chainrule_lab.bench.statistics.paired import (
    Comparison,
    Interval,
    compare,
    differences,
    holm,
    mean_interval,
    noise_floor,
    sign_flip,
    verdict,
)

NUMBERS = st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), min_size=1, max_size=9)


def by_brute_force(values):
    """The share of all 2ⁿ flips whose sum is as far from 0 as the observed one."""
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in product([1, -1], repeat=len(values))
    ]
    return np.mean(np.array(sums) >= abs(sum(values)) - 1e-9)


@settings(max_examples=30)
@given(NUMBERS)
def test_the_test_counts_every_flip(values):
    assert sign_flip(values) == pytest.approx(by_brute_force(values), abs=1e-12)


def test_the_test_is_that_of_scipy_by_all_permutations():
    values = np.random.default_rng(3).normal(0.4, 1, 10)
    expected = stats.permutation_test((values,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(values) == pytest.approx(expected.pvalue, abs=1e-12)


def test_with_an_infinite_difference_it_is_wilcoxons_exact_test():
    values = np.array([0.3, -0.1, 0.7, 1.1, 0.2, -0.4, 0.9, 0.5])
    expected = stats.wilcoxon(values, method="exact").pvalue
    values[3] = inf  # the largest already, so that no rank changes
    assert sign_flip(values) == pytest.approx(expected, abs=1e-12)


def test_beyond_twenty_pairs_flips_are_drawn():
    values = np.random.default_rng(0).normal(0.35, 1, 30)
    expected = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
    ).pvalue
    assert sign_flip(values) == pytest.approx(expected, abs=5 * np.sqrt(expected / 10_000))


def test_no_difference_is_no_evidence():
    assert sign_flip([0.0] * 20) == 1.0
    assert compare([1.0, inf] * 5, [1.0, inf] * 5) == Comparison(Interval(0, 0, 0), Interval(0, 0, 0), 1.0, 0.0)


def test_a_run_that_diverges_alone_is_infinitely_worse_and_two_that_do_are_equal():
    assert differences([1.0, inf, inf, 2.0], [0.5, 1.0, inf, inf]).tolist() == [0.5, inf, 0.0, -inf]


def test_twenty_seeds_that_all_favour_one_are_significant_even_if_one_run_of_it_diverges():
    better = [-0.1] * 19
    assert sign_flip([*better, -0.1]) == 2 / 2**20
    assert sign_flip([*better, inf]) < 0.01


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(1).exponential(1, 20)
    expected = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=50_000, rng=9).confidence_interval
    found = mean_interval(values)
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), *expected), abs=0.02)


def test_ninety_percent_are_narrower():
    wide, narrow = (mean_interval([0.1, 0.4, -0.2, 0.5, 0.3, 0.9], share) for share in (0.95, 0.90))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_an_infinite_value_opens_the_interval_on_its_side_alone():
    found = mean_interval([*np.linspace(0.5, 1.5, 19), inf])
    assert found.mean == found.high == inf
    assert 0.5 < found.low < 1
    both = mean_interval([*np.linspace(0.5, 1.5, 18), inf, -inf])
    assert np.isnan(both.mean)
    assert (both.low, both.high) == (-inf, inf)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_sequential_form_rejects(p_values, level):
    rejected, left = set(), dict(enumerate(p_values))
    while left:
        first = min(left, key=left.get)
        if left[first] * len(left) > level:
            break
        rejected.add(first)
        del left[first]
    assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (-3, -1, 0.01, "better"),
        (1, 3, 0.01, "worse"),
        (-3, -1, 0.06, "undecided"),
        (-0.4, 0.3, 0.6, "equivalent"),
        (-0.6, 0.3, 0.6, "undecided"),
        (-0.3, 0.6, 0.6, "undecided"),
    ],
)
def test_equivalence_needs_the_whole_interval_within_the_margin(low, high, p, expected):
    interval = Interval((low + high) / 2, low, high)
    assert verdict(Comparison(interval, interval, p, low + high), p, margin=0.5) == expected


@pytest.mark.parametrize("diverged", [([inf], [1.0]), ([1.0, inf], [inf, 1.0])], ids=["the first", "both, in turn"])
def test_the_verdict_is_on_the_side_of_the_test_where_runs_diverge(diverged):
    first, second = diverged
    better, worse = [*first, *[0.5] * 18], [*second, *[1.0] * 18]
    for pair, expected in (((better, worse), "better"), ((worse, better), "worse")):
        found = compare(*pair)
        assert verdict(found, found.p, margin=0.05) == expected


def test_the_noise_floor_covers_differences_of_a_rule_from_itself():
    generator = np.random.default_rng(0)
    trials = generator.normal(5, 2, (1000, 2, 10))
    covered = [abs(a.mean() - b.mean()) <= noise_floor(a) for a, b in trials]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)
    assert noise_floor([1.0, inf]) == inf
