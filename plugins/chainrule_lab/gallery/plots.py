"""Coordinates for the page's pictures: a plot's window, and lines within it as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chainrule_lab.gallery.contours import contour
from chainrule_lab.gallery.surfaces import Point, Surface

PANEL = 200
"""The width and height of a surface's picture."""

_GRID = 161
"""The points along each side of the grid on which a surface's contour lines are found."""


@dataclass(frozen=True)
class Frame:
    """A window of the plane and the picture that it fills.

    Attributes:
        x: its least and greatest x.
        y: its least and greatest y.
        width: the picture's width.
        height: the picture's height.
        margin: the space around the window, left, top, right and bottom.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: float
    height: float
    margin: tuple[float, float, float, float] = (0, 0, 0, 0)

    def place(self, point: Sequence[float]) -> Point:
        """Return where a point is in the picture, at most some pictures away from it."""
        left, top, right, bottom = self.margin
        x = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        y = (self.y[1] - point[1]) / (self.y[1] - self.y[0])
        across, down = self.width - left - right, self.height - top - bottom
        return left + across * min(max(x, -3.0), 4.0), top + down * min(max(y, -3.0), 4.0)

    def line(self, points: Iterable[Sequence[float]]) -> str:
        """Return the commands of a path through points, interrupted where one is not finite."""
        commands = []
        for piece in _finite_pieces(points):
            commands.append("M" + "L".join(_pair(self.place(point)) for point in piece))
        return "".join(commands)

    def corners(self, points: Iterable[Sequence[float]]) -> str:
        """Return the corners of a polyline through the points up to the first that is not finite."""
        first = next(_finite_pieces(points), [])
        return " ".join(_pair(self.place(point)) for point in first)


def frame_of(surface: Surface) -> Frame:
    """Return the window of a surface."""
    left, bottom = surface.corner
    return Frame((left, left + surface.side), (bottom, bottom + surface.side), PANEL, PANEL)


def contour_lines(surface: Surface) -> list[str]:
    """Return the contour lines of each level of a surface, as the commands of one path."""
    frame = frame_of(surface)
    x, y = np.linspace(*frame.x, _GRID), np.linspace(*frame.y, _GRID)
    points = torch.from_numpy(np.stack(np.meshgrid(x, y), -1))
    values = surface.value(points).numpy()
    found = (contour(values, x.tolist(), y.tolist(), level) for level in surface.levels)
    return ["".join(frame.line(line) for line in lines) for lines in found]


def curve_points(x: Tensor, y: Tensor) -> list[tuple[float, float]]:
    """Return the points of a curve."""
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _pair(place: Point) -> str:
    return ",".join(f"{value:.1f}".removesuffix(".0") for value in place)


def _finite_pieces(points: Iterable[Sequence[float]]) -> Iterator[list[Sequence[float]]]:
    piece: list[Sequence[float]] = []
    for point in points:
        if all(map(math.isfinite, point)):
            piece.append(point)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def scientific(value: float) -> str:
    """Return a number as a person writes it: 0.0853, 1.4·10⁻³, 0, ∞."""
    if not math.isfinite(value):
        return "∞"
    if abs(value) < 1e-99:
        return "0"
    if 0.01 <= abs(value) < 1000:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}·10{raised}"
