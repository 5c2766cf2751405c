import math

import pytest

from chainrule.tasks import circle


@pytest.mark.parametrize("seed", [0, 1])
def test_a_point_is_of_class_1_inside_the_circle(seed):
    for x, y in circle().splits(seed):
        assert y.tolist() == [math.dist(point, (0.5, 0.5)) < 1 / math.sqrt(2 * math.pi) for point in x.tolist()]


def test_half_of_the_unit_square_lies_inside():
    labels = [label for seed in range(10) for _, y in circle().splits(seed) for label in y.tolist()]
    assert abs(sum(labels) / len(labels) - 0.5) < 5 * math.sqrt(0.25 / len(labels))


def test_the_splits_have_the_sizes_of_the_paper():
    assert [(len(x), x.shape[1]) for x, _ in circle().splits(0)] == [(1000, 2), (100, 2), (900, 2)]
