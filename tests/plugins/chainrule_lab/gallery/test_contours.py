import numpy as np
import pytest
import torch

from chainrule_lab.gallery.contours import contour
from chainrule_lab.gallery.plots import contour_lines
from chainrule_lab.gallery.surfaces import SURFACES

X = np.linspace(-2, 2, 201).tolist()
Y = np.linspace(-1.5, 1.5, 151).tolist()


def on_the_grid(function):
    return function(*np.meshgrid(X, Y))


@pytest.mark.parametrize(
    "function",
    [lambda x, y: x * x + y * y, lambda x, y: x * y, lambda x, y: np.sin(3 * x) * np.cos(2 * y) + 0.3],
    ids=["circles", "hyperbolas", "waves"],
)
def test_every_point_of_a_line_has_the_level_as_its_value(function):
    lines = contour(on_the_grid(function), X, Y, 0.25)
    points = np.array([point for line in lines for point in line])
    assert len(points) > 100
    np.testing.assert_allclose(function(points[:, 0], points[:, 1]), 0.25, atol=1e-3)


def test_a_circle_is_one_closed_line_of_its_length():
    (line,) = contour(on_the_grid(lambda x, y: np.hypot(x, y)), X, Y, 1.0)
    assert line[0] == line[-1]
    assert np.hypot(*np.diff(line, axis=0).T).sum() == pytest.approx(2 * np.pi, rel=1e-4)


def test_two_circles_are_two_lines_and_a_hyperbola_ends_at_the_borders():
    two = contour(on_the_grid(lambda x, y: np.hypot(np.abs(x) - 1, y)), X, Y, 0.5)
    assert [line[0] == line[-1] for line in two] == [True, True]
    branches = contour(on_the_grid(lambda x, y: x * y), X, Y, 0.5)
    assert len(branches) == 2
    assert all(abs(x) == 2 or abs(y) == 1.5 for line in branches for x, y in (line[0], line[-1]))


@pytest.mark.parametrize("middle_is_high", [True, False])
def test_a_saddles_middle_decides_which_corners_are_joined(middle_is_high):
    high = 3.0 if middle_is_high else 1.5
    lines = contour(np.array([[high, 0.0], [0.0, high]]), [0.0, 1.0], [0.0, 1.0], 1.0)
    # The line through the left side goes around the upper left corner if the high ones are joined, else the lower left.
    left = next(line for line in lines if line[0][0] == 0 or line[-1][0] == 0)
    assert {point[1] for point in left} & {0.0, 1.0} == ({1.0} if middle_is_high else {0.0})


def test_every_level_of_every_surface_is_drawn_within_the_picture():
    for surface in SURFACES:
        for line in contour_lines(surface):
            numbers = [
                float(number)
                for piece in line.split("M")[1:]
                for pair in piece.split("L")
                for number in pair.split(",")
            ]
            assert numbers, surface.name
            assert 0 <= min(numbers) <= max(numbers) <= 200


def test_a_surfaces_lines_are_at_its_levels():
    bowl = SURFACES[-1]
    left, bottom = bowl.corner
    for level, line in zip(bowl.levels, contour_lines(bowl), strict=True):
        pairs = [pair.split(",") for piece in line.split("M")[1:] for pair in piece.split("L")]
        places = torch.tensor([[float(x), 200 - float(y)] for x, y in pairs], dtype=torch.float64)
        points = places / 200 * bowl.side + torch.tensor([left, bottom], dtype=torch.float64)
        slack = bowl.gradient(points).norm(dim=1) * 0.1 * bowl.side / 200 + 0.02  # coordinates have one decimal
        assert ((bowl.value(points) - level).abs() <= slack).all()
