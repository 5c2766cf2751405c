import math
from itertools import pairwise

import pytest

from chainrule import Optimizer, hyperparameter
from chainrule.optimizers import adam, adamw, muon, sgd
from chainrule_lab.bench.search_space import Grid, grid_of, sobol_points


def test_the_grid_has_thirteen_half_decades_around_the_middle_of_the_declared_range():
    rates = grid_of(adam()).rates
    assert (rates[0], rates[6], rates[-1], len(rates)) == (1e-5, 1e-2, 1e1, 13)
    assert [math.log10(b / a) for a, b in pairwise(rates)] == pytest.approx([0.5] * 12, abs=2e-3)
    assert (grid_of(sgd()).rates[0], grid_of(sgd()).rates[-1]) == (3.16e-5, 31.6)  # declared from 1e-4 to 10


def test_decays_are_none_and_four_decades_up_to_the_largest_declared_one():
    assert grid_of(adamw()).decays == (0, 1e-3, 1e-2, 1e-1, 1)
    assert grid_of(sgd()).decays == (0, 1e-4, 1e-3, 1e-2, 1e-1)
    assert grid_of(adam()).decays == ()
    assert len(grid_of(adamw()).points()) == 65


def test_bounds_of_the_rule_are_kept():
    class Bounded(Optimizer):
        lr: float = hyperparameter(default=0.1, above=0, below=1, search=(1e-4, 1e2))

    assert max(grid_of(Bounded()).rates) < 1
    assert grid_of(Bounded()).extended((0.316, 0.0), Bounded()) == grid_of(Bounded())


@pytest.mark.parametrize(
    ("best", "added_rates", "added_decays"),
    [
        ((1e1, 0.0), {31.6, 100.0}, set()),
        ((1e-5, 0.0), {3.16e-6, 1e-6}, set()),
        ((1e-2, 1.0), set(), {10.0, 100.0}),
        ((1e1, 1.0), {31.6, 100.0}, {10.0, 100.0}),
        ((1e-2, 0.0), set(), set()),
    ],
)
def test_a_best_point_at_an_edge_extends_the_grid_by_two_points(best, added_rates, added_decays):
    before = grid_of(adamw())
    after = before.extended(best, adamw())
    assert set(after.rates) - set(before.rates) == added_rates
    assert set(after.decays) - set(before.decays) == added_decays
    assert list(after.rates) == sorted(after.rates)


def test_no_decay_at_all_is_no_edge():
    grid = Grid((0.1, 1.0, 10.0), (0.0, 0.1))
    assert grid.extended((1.0, 0.0), sgd()) == grid


def test_draws_lie_in_the_declared_ranges_and_spread_by_logarithm():
    points = sobol_points(muon())
    assert len(points) == 50
    assert points == sobol_points(muon())
    assert all(1e-4 <= p["lr"] <= 1 and 0.8 <= p["momentum"] <= 0.99 and 1e-6 <= p["weight_decay"] <= 1 for p in points)
    assert 0.35 < sum(p["lr"] < 1e-2 for p in points) / 50 < 0.65
    assert 0.35 < sum(p["momentum"] < 0.895 for p in points) / 50 < 0.65
