import json
from math import inf

from chainrule_lab.bench.protocol import counted, median
from chainrule_lab.bench.results import Point, as_plain, best_point, from_plain


def point(lr, decay=0.0, schedule="constant"):
    return Point.of({"lr": lr, "weight_decay": decay}, schedule)


def test_the_lowest_median_is_chosen_not_the_lowest_loss():
    assert best_point({point(1.0): [0.0, 3.0, 4.0], point(0.1): [2.0, 2.0, 2.0]}) == point(0.1)


def test_of_equal_points_that_of_the_smaller_lr_then_decay_is_chosen():
    tried = {point(1.0): [2.0] * 3, point(0.1, 0.1): [2.0] * 3, point(0.1, 0.01, "cosine"): [1.0, 2.0, 9.0]}
    assert best_point(tried) == point(0.1, 0.01, "cosine")


def test_a_point_that_mostly_diverges_loses_and_none_is_chosen_if_all_do():
    assert best_point({point(1.0): [0.1, inf, inf], point(0.1): [5.0, 5.0, inf]}) == point(0.1)
    assert best_point({point(1.0): [0.1, inf, inf]}) is None


def test_a_run_diverged_if_it_is_not_finite_or_ten_times_its_first_loss():
    assert [counted(loss, 2.0) for loss in (19.9, 20.0, 20.1, inf, float("nan"))] == [19.9, 20.0, inf, inf, inf]
    assert [counted(loss, -0.5) for loss in (-2.0, 3.9, 4.1)] == [-2.0, 3.9, inf]
    assert median([1.0, inf]) == inf


def test_an_outcome_is_the_same_after_json(outcome):
    one = outcome("adam", diverged=2)
    plain = json.loads(json.dumps(as_plain(one), allow_nan=False))
    assert from_plain(plain) == one


def test_the_loss_of_a_rate_is_that_with_its_best_decay_and_schedule(outcome):
    one = outcome("adam")
    tried = {**one.tried, Point.of({"lr": 0.1, "weight_decay": 0.1}, "cosine"): [0.05] * 3}
    changed = type(one)(**{**vars(one), "tried": tried})
    assert changed.by_rate()[0.1] == 0.05
    assert changed.by_rate("constant")[0.1] == one.by_rate()[0.1]
    assert list(changed.by_rate()) == [0.001, 0.01, 0.1, 1.0, 10.0]
