from math import inf

import numpy as np
import pytest

from chainrule_lab.bench.statistics.across_tasks import mean_ranks, performance_profile


def test_a_profile_by_hand():
    costs = {"a": [1, 4, inf], "b": [2, 2, inf], "c": [inf, 6, inf]}
    assert performance_profile(costs, [1, 2, 3]) == {
        "a": pytest.approx([1 / 3, 2 / 3, 2 / 3]),
        "b": pytest.approx([1 / 3, 2 / 3, 2 / 3]),
        "c": pytest.approx([0, 0, 1 / 3]),
    }


def test_ranks_by_hand_with_ties_and_divergence():
    losses = {"a": [[1, 1, 1], [5, 5, 5]], "b": [[1, 1, 1], [4, inf, 4]], "c": [[inf, inf, 0], [inf, inf, 1]]}
    found = mean_ranks(losses)
    assert {name: interval.mean for name, interval in found.items()} == {"a": 1.75, "b": 1.25, "c": 3.0}


def test_an_order_that_all_seeds_and_tasks_have_is_certain_and_chance_is_not():
    tasks = np.random.default_rng(0).normal(size=(6, 10))
    clear = mean_ranks({"a": tasks.tolist(), "b": (tasks + 10).tolist()})
    assert (clear["a"].low, clear["a"].high, clear["b"].low, clear["b"].high) == (1, 1, 2, 2)
    other = np.random.default_rng(1).normal(size=(6, 10))
    open_ = mean_ranks({"a": tasks.tolist(), "b": other.tolist()})
    assert open_["a"].low < 1.5 < open_["a"].high
