import math

import numpy as np
import pytest
import torch

from chainrule import ChainruleError
from chainrule_lab.sweep import choice, log_uniform, uniform
from chainrule_lab.sweep.space import trials_of


def test_a_grid_has_every_combination_and_both_ends():
    trials = trials_of({"lr": log_uniform(1e-4, 1, points=5), "width": [4, 8], "seed": range(3)}, "grid", None, 0)
    assert len(trials) == 5 * 2 * 3
    rates = sorted({trial["lr"] for trial in trials})
    assert rates[0] == 1e-4
    assert rates[-1] == 1.0
    assert rates == [1e-4, 1e-3, 1e-2, 0.1, 1.0]
    assert {trial["seed"] for trial in trials} == {0, 1, 2}


def test_the_seed_is_0_where_none_is_searched_over():
    assert trials_of({"lr": 0.1}, "grid", None, 0) == [{"lr": 0.1, "seed": 0}]


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_drawn_points_stay_when_more_are_drawn_and_each_has_every_seed(method):
    search = {"lr": log_uniform(1e-4, 1), "momentum": uniform(0, 0.99), "width": [4, 8, 16], "seed": [3, 4]}
    few, many = trials_of(search, method, 5, 0), trials_of(search, method, 12, 0)
    assert few == many[: len(few)]
    assert len(many) == 24
    assert [trial["seed"] for trial in few] == [3, 4] * 5
    assert few != trials_of(search, method, 5, 1)


def test_sobol_points_fill_every_part_of_the_space():
    trials = trials_of({"lr": log_uniform(1e-4, 1), "momentum": uniform(0, 1)}, "sobol", 64, 0)
    cells = {(math.floor(2 * math.log10(t["lr"])), math.floor(8 * t["momentum"])) for t in trials}
    assert len(cells) == 64  # one in each of 8 times 8 cells, as for every scrambled sequence in base 2


def test_equal_points_are_one_trial():
    assert len(trials_of({"width": [4, 8]}, "random", 50, 0)) == 2


def test_values_of_numpy_and_torch_become_numbers():
    search = {"lr": np.array([0.5, 0.25]), "width": torch.tensor([4, 8]), "betas": [(0.9, 0.99)]}
    assert trials_of(search, "grid", None, 0)[0] == {"lr": 0.5, "width": 4, "betas": [0.9, 0.99], "seed": 0}


@pytest.mark.parametrize(
    ("search", "method", "trials", "words"),
    [
        (
            {"lr": log_uniform(1e-4, 1)},
            "grid",
            None,
            r"lr must have points on a grid, got log_uniform\(0.0001, 1\). Add",
        ),
        ({"lr": [0.1]}, "grid", 5, "trials must be left out on a grid, got 5"),
        ({"lr": [0.1]}, "random", None, 'method="random" needs trials, got none'),
        ({"lr": [0.1]}, "sobol", 0, "trials must be an integer of at least 1, got 0"),
        ({"lr": [0.1]}, "bayes", None, 'method must be "grid", "random" or "sobol", got \'bayes\''),
        ({"lr": []}, "grid", None, "lr must have at least one value, got none"),
        ({"lr": [math.nan]}, "grid", None, "lr must have finite values, got nan"),
        ({"activation": [torch.relu]}, "grid", None, "activation must have numbers, texts or lists of these as values"),
        ({"seed": [0.5]}, "grid", None, "a seed must be an integer of at least 0, got 0.5"),
        ({"seed": uniform(0, 5)}, "random", 3, "seed must be integers, got an interval"),
        ({"seed": range(10**12)}, "grid", None, "seed must have at most 1048576 values, got 1000000000000"),
        ({"lr": uniform(0, 1, points=10**9)}, "grid", None, "lr must have at most 1048576 values, got 1000000000"),
        ({"a": range(2000), "b": range(2000)}, "grid", None, "the grid must have at most 1048576 values, got 4000000"),
        ({"a": [1, 2], "seed": range(9)}, "random", 10**6, "trials must have at most 1048576 values, got 9000000"),
        ({}, "grid", None, "search must be a dict by names of settings"),
        ([1], "grid", None, "search must be a dict by names of settings"),
    ],
)
def test_a_search_that_does_not_fit_is_told_in_one_line(search, method, trials, words):
    with pytest.raises(ChainruleError, match=f"sweep: {words}") as caught:
        trials_of(search, method, trials, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: log_uniform(0, 1), "log_uniform: low must be a number above 0, got 0"),
        (lambda: uniform(1, 1), "uniform: high must be a number above 1.0, got 1"),
        (lambda: uniform(0, 1, points=0), "uniform: points must be an integer of at least 1, got 0"),
        (lambda: choice([]), "choice: values must have at least one value"),
    ],
)
def test_a_space_that_does_not_fit_is_told_in_one_line(make, words):
    with pytest.raises(ChainruleError, match=words):
        make()
