"""Contour lines, by marching squares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Edge = tuple[int, int, int]
"""An edge of the grid: the row and column of its first corner, and 0 if it runs along the row, else 1."""

_CROSSED: dict[int, tuple[tuple[str, str], ...]] = {
    1: (("left", "bottom"),),
    2: (("bottom", "right"),),
    3: (("left", "right"),),
    4: (("right", "top"),),
    6: (("bottom", "top"),),
    7: (("left", "top"),),
}
"""The sides that a line enters and leaves a square by, by which of its corners are above the level.

The corners count 1, 2, 4 and 8 from the lower left against the clock; n and 15 − n cross the same sides.
"""


def contour(
    values: NDArray[np.float64], x: Sequence[float], y: Sequence[float], level: float
) -> list[list[tuple[float, float]]]:
    """Return the lines along which a function has this value, each closed or from border to border.

    Args:
        values: the function on a grid, (len(y), len(x)).
        x: the columns' coordinates.
        y: the rows' coordinates.
        level: the value.
    """
    above = values > level
    neighbours: dict[Edge, list[Edge]] = defaultdict(list)
    corners = above[:-1, :-1] * 1 + above[:-1, 1:] * 2 + above[1:, 1:] * 4 + above[1:, :-1] * 8
    for row, column in np.argwhere((corners > 0) & (corners < 15)).tolist():
        for one, other in _segments(
            int(corners[row, column]), float(values[row : row + 2, column : column + 2].mean()), level
        ):
            first, second = _edge(one, row, column), _edge(other, row, column)
            neighbours[first].append(second)
            neighbours[second].append(first)
    return [[_crossing(edge, values, x, y, level) for edge in line] for line in _lines(neighbours)]


def _segments(corners: int, middle: float, level: float) -> tuple[tuple[str, str], ...]:
    if corners in (5, 10):  # a saddle: its middle decides which corners belong together
        joins_lower_left = (middle > level) == (corners == 5)
        if joins_lower_left:
            return ("left", "top"), ("bottom", "right")
        return ("left", "bottom"), ("right", "top")
    return _CROSSED[min(corners, 15 - corners)]


def _edge(side: str, row: int, column: int) -> Edge:
    return {
        "bottom": (row, column, 0),
        "top": (row + 1, column, 0),
        "left": (row, column, 1),
        "right": (row, column + 1, 1),
    }[side]


def _crossing(
    edge: Edge, values: NDArray[np.float64], x: Sequence[float], y: Sequence[float], level: float
) -> tuple[float, float]:
    """Return the point of an edge at which a linear function between its ends has the value."""
    row, column, upwards = edge
    first, second = values[row, column], values[row + upwards, column + 1 - upwards]
    part = float((level - first) / (second - first))
    if upwards:
        return x[column], y[row] + part * (y[row + 1] - y[row])
    return x[column] + part * (x[column + 1] - x[column]), y[row]


def _lines(neighbours: dict[Edge, list[Edge]]) -> Iterator[list[Edge]]:
    """Yield chains of neighbours: first those with two ends, then the closed ones, whose end is their start."""
    left = {edge: list(others) for edge, others in neighbours.items()}
    for start in sorted(left, key=lambda edge: (len(left[edge]), edge)):
        if not left[start]:
            continue
        line = [start]
        while left[line[-1]]:
            following = left[line[-1]].pop()
            left[following].remove(line[-1])
            line.append(following)
        yield line
