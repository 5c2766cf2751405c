from itertools import combinations
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule_lab.bench.statistics.trials import expected_best, steps_to_target


@given(st.lists(st.floats(0, 100), min_size=1, max_size=7), st.data())
def test_the_expected_best_is_the_mean_over_all_choices(losses, data):
    k = data.draw(st.integers(1, len(losses)))
    expected = np.mean([min(chosen) for chosen in combinations(losses, k)])
    assert expected_best(losses, k) == pytest.approx(expected, abs=1e-9)


def test_it_is_infinite_while_all_may_have_diverged():
    assert expected_best([1.0, inf, inf], 2) == inf
    assert expected_best([1.0, inf, inf], 3) == 1.0


def test_runs_that_never_arrive_are_censored_and_count():
    found = steps_to_target([[3, 2, 1], [3, 3, 3], [2, 4, 4], [5, inf, inf]], target=2, steps_per_value=10)
    assert found.steps == (20, inf, 10, inf)
    assert found.reached == 2
    assert found.median == inf
    assert steps_to_target([[3, 2], [1, 1], [4, 4]], 2, 10).median == 20
