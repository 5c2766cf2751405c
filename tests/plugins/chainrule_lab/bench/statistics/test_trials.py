from itertools import combinations
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from chainrule_lab.bench.statistics.trials import steps_to_target, typical_best


@given(st.lists(st.one_of(st.floats(0, 100), st.just(inf)), min_size=1, max_size=7), st.data())
def test_the_typical_best_is_the_median_over_all_choices(losses, data):
    k = data.draw(st.integers(1, len(losses)))
    best = sorted(min(chosen) for chosen in combinations(losses, k))
    assert typical_best(losses, k) == best[(len(best) - 1) // 2]


def test_of_fewer_trials_than_asked_for_the_best_counts():
    assert typical_best([3.0, inf, 1.0], 10) == 1.0


def test_trials_that_diverge_count():
    assert typical_best([1.0, inf, inf, inf, inf], 2) == inf
    assert typical_best([1.0, inf, inf, inf, inf], 3) == 1.0


def test_runs_that_never_arrive_are_censored_and_count():
    found = steps_to_target([[3, 2, 1], [3, 3, 3], [2, 4, 4], [5, inf, inf]], target=2, steps_per_value=10)
    assert found.steps == (20, inf, 10, inf)
    assert found.reached == 2
    assert found.median == inf
    assert steps_to_target([[3, 2], [1, 1], [4, 4]], 2, 10).median == 20
