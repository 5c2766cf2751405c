"""The functions of two variables that the optimizers descend, with their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Point = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """A function f of a point θ = (x, y), of which the part in a square window is drawn.

    Attributes:
        name: its name in addresses.
        title: its name on the page.
        formula: f, as text.
        source: where it was first used, or how it is made.
        value: f at points (…, 2), as (…).
        gradient: ∇f at points (…, 2), as (…, 2).
        corner: the lower left corner of the window.
        side: the length of the window's sides.
        start: where every path begins.
        minimum: where f is least.
        levels: the values of f at the contour lines.
    """

    name: str
    title: str
    formula: str
    source: str
    value: Callable[[Tensor], Tensor]
    gradient: Callable[[Tensor], Tensor]
    corner: Point
    side: float
    start: Point
    minimum: Point
    levels: tuple[float, ...]

    def in_view(self, points: Tensor) -> Tensor:
        """Return whether points (…, 2) are in the window, as (…)."""
        corner = points.new_tensor(self.corner)
        return ((points >= corner) & (points <= corner + self.side)).all(-1)


def _rosenbrock(points: Tensor) -> Tensor:
    x, y = points.unbind(-1)
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def _rosenbrock_gradient(points: Tensor) -> Tensor:
    x, y = points.unbind(-1)
    return torch.stack([2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)], -1)


_BEALE = ((1.5, 1), (2.25, 2), (2.625, 3))
"""Beale's constants, each with the power of y that goes with it."""


def _beale(points: Tensor) -> Tensor:
    x, y = points.unbind(-1)
    return torch.stack([c - x + x * y**k for c, k in _BEALE]).square().sum(0)


def _beale_gradient(points: Tensor) -> Tensor:
    x, y = points.unbind(-1)
    errors = torch.stack([c - x + x * y**k for c, k in _BEALE])
    by_x = torch.stack([y**k - 1 for _, k in _BEALE])
    by_y = torch.stack([k * x * y ** (k - 1) for _, k in _BEALE])
    return 2 * torch.stack([(errors * by_x).sum(0), (errors * by_y).sum(0)], -1)


def _rastrigin(points: Tensor) -> Tensor:
    return (10 + points * points - 10 * torch.cos(2 * math.pi * points)).sum(-1)


def _rastrigin_gradient(points: Tensor) -> Tensor:
    return 2 * points + 20 * math.pi * torch.sin(2 * math.pi * points)


_CURVATURES = torch.tensor([1.0, 100.0], dtype=torch.float64)
_AXES = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
"""The columns are the directions of the bowl's axes."""


def _bowl(points: Tensor) -> Tensor:
    along = points @ _AXES.to(points)
    return (along * along * _CURVATURES.to(points)).sum(-1) / 2


def _bowl_gradient(points: Tensor) -> Tensor:
    axes = _AXES.to(points)
    return (points @ axes * _CURVATURES.to(points)) @ axes.T


SURFACES = (
    Surface(
        "rosenbrock",
        "Rosenbrock",
        "f = (1 − x)² + 100 (y − x²)²",
        "Rosenbrock 1960: a curved valley with an almost flat floor",
        _rosenbrock,
        _rosenbrock_gradient,
        corner=(-2.0, -1.25),
        side=4.0,
        start=(-1.2, 1.0),
        minimum=(1.0, 1.0),
        levels=(1.0, 3.0, 8.0, 30.0, 100.0, 300.0, 900.0, 2000.0),
    ),
    Surface(
        "beale",
        "Beale",
        "f = (1.5 − x + x y)² + (2.25 − x + x y²)² + (2.625 − x + x y³)²",
        "Beale 1958: a plateau between steep walls",
        _beale,
        _beale_gradient,
        corner=(-0.5, -2.0),
        side=4.5,
        start=(0.7, 1.6),
        minimum=(3.0, 0.5),
        levels=(0.05, 0.3, 1.0, 3.0, 8.0, 20.0, 60.0, 200.0, 1000.0),
    ),
    Surface(
        "rastrigin",
        "Rastrigin",
        "f = 20 + x² − 10 cos 2πx + y² − 10 cos 2πy",
        "Rastrigin 1974: a least value among many local minima",
        _rastrigin,
        _rastrigin_gradient,
        corner=(-2.75, -2.75),
        side=5.5,
        start=(-2.45, 1.4),
        minimum=(0.0, 0.0),
        levels=(4.0, 10.0, 18.0, 28.0, 40.0),
    ),
    Surface(
        "bowl",
        "Ill-conditioned bowl",
        "f = ½ (u² + 100 v²) with u = 0.8 x + 0.6 y, v = 0.8 y − 0.6 x",
        "a quadratic of condition number 100, its axes turned by 37°",
        _bowl,
        _bowl_gradient,
        corner=(-2.5, -2.5),
        side=5.0,
        start=(-2.1, -0.9),
        minimum=(0.0, 0.0),
        levels=(0.25, 1.5, 6.0, 20.0, 60.0, 150.0, 300.0),
    ),
)
