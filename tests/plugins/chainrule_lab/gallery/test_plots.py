import math

import pytest

from chainrule_lab.gallery.plots import Frame, scientific

FRAME = Frame((0, 10), (-1, 1), 120, 70, margin=(15, 5, 5, 25))


def test_a_window_fills_its_picture_but_for_the_margin_and_y_goes_up():
    assert FRAME.place((0, -1)) == (15, 45)
    assert FRAME.place((10, 1)) == (115, 5)
    assert FRAME.place((5, 0)) == (65, 25)


def test_a_line_is_interrupted_where_a_point_is_not_finite():
    points = [(0, -1), (5, 0), (6, math.nan), (10, 1), (math.inf, 0)]
    assert FRAME.line(points) == "M15,45L65,25M115,5"
    assert FRAME.corners(points) == "15,45 65,25"
    assert (FRAME.line([]), FRAME.corners([(math.nan, 0)])) == ("", "")


def test_a_point_far_away_stays_at_some_distance():
    x, y = FRAME.place((1e300, -1e300))
    assert (x, y) == (15 + 4 * 100, 5 + 4 * 40)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0853, "0.0853"),
        (2.0, "2"),
        (7.9597, "7.96"),
        (1.44e-3, "1.4·10⁻³"),
        (5e-05, "5.0·10⁻⁵"),
        (1234.0, "1.2·10³"),
        (0.0, "0"),
        (1e-120, "0"),
        (math.inf, "∞"),
        (math.nan, "∞"),
    ],
)
def test_numbers_are_short(value, shown):
    assert scientific(value) == shown
