"""The paths of an optimizer over the surfaces: every learning rate and every surface as one ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule import Module, Optimizer, Parameter, ShapeError
from chainrule.base.wrapper import layers_of, with_lr
from chainrule.errors import label
from chainrule.initializers import constant
from chainrule_lab.gallery.surfaces import SURFACES, Surface

STEPS = 300

RATES = (*(float(f"{digit}e{power}") for power in range(-5, 3) for digit in (1, 2, 5)), 1e3)
"""The grid of learning rates: 1, 2 and 5 times the powers of ten from 10⁻⁵ to 10³."""


class _Point(Module):
    """A point of the plane as the one parameter of a network."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.position = Parameter(*shape, init=constant(0.0), fan_in=1, fan_out=1)

    def forward(self, x: Tensor) -> Tensor:
        return x

    def backward(self, grad_output: Tensor) -> Tensor:
        return grad_output


@dataclass(frozen=True)
class Path:
    """The way of a rule over one surface, with the learning rate that ends lowest without leaving the window.

    Attributes:
        surface: the surface.
        rate: the learning rate.
        points: the evaluated point before the first step and after each, (steps + 1, 2).
        value: f at the last point, infinite where it is not finite.
        distance: from the last point to the minimum.
        diverged: the number of rates that end higher than they start, or nowhere.
        tried: the number of rates.
    """

    surface: Surface
    rate: float
    points: Tensor
    value: float
    distance: float
    diverged: int
    tried: int

    @property
    def diverges(self) -> bool:
        """Whether every rate does."""
        return self.diverged == self.tried

    @property
    def ends_in_view(self) -> bool:
        """Whether the last point is in the surface's window."""
        return bool(self.surface.in_view(self.points[-1]))


def point_shape(rule: Optimizer) -> tuple[int, ...]:
    """Return the shape of a parameter of two numbers that the rule takes: (2,), else (1, 2), and so on.

    Raises:
        ShapeError: if it takes none, since it wants parameters of rank 0.
    """
    ranks = [rank for rank in range(1, 6) if all(rank in layer.ranks for layer in layers_of(rule))]
    if not ranks:
        raise ShapeError(
            f"{label(rule)}: ranks must have one from 1 on, so that a parameter can hold a point, got 0 alone."
        )
    return (*[1] * (ranks[0] - 1), 2)


def paths(
    rule: Optimizer,
    surfaces: Sequence[Surface] = SURFACES,
    rates: Sequence[float] = RATES,
    steps: int = STEPS,
) -> list[Path]:
    """Return the path over each surface, with the best of the rates for each.

    The ensemble has one member for each pair of a surface and a rate, all with one seed.

    Raises:
        ChainruleError: if the rule cannot be run.
    """
    every = walk(rule, surfaces, rates, steps)
    return [_best(surface, rates, every[:, i]) for i, surface in enumerate(surfaces)]


@torch.no_grad()
def walk(rule: Optimizer, surfaces: Sequence[Surface], rates: Sequence[float], steps: int) -> Tensor:
    """Return the evaluated points of every member, (steps + 1, surfaces, rates, 2)."""
    members = len(surfaces) * len(rates)
    network = _Point(point_shape(rule)).build(seed=0, members=members, dtype=torch.float64)
    (position,) = network.parameters()
    shape = (len(surfaces), len(rates), 2)
    starts = torch.tensor([surface.start for surface in surfaces], dtype=torch.float64)
    position.data.copy_(starts.unsqueeze(1).expand(shape).reshape(position.data.shape))
    lr = torch.tensor(rates, dtype=torch.float64).repeat(len(surfaces))
    updater = with_lr(rule, lr).attach(network)
    passed = [position.data.view(shape).clone()]
    for _ in range(steps):
        points = position.data.view(shape)
        gradients = [surface.gradient(points[i]) for i, surface in enumerate(surfaces)]
        position.grad.copy_(torch.stack(gradients).view_as(position.grad))
        updater.step()
        with updater.evaluating():
            passed.append(position.data.view(shape).clone())
    return torch.stack(passed)


def _best(surface: Surface, rates: Sequence[float], points: Tensor) -> Path:
    """Return the path that ends lowest, of points (steps + 1, rates, 2), out of view only where all in view diverge."""
    start, ends = surface.value(points[[0, -1]])
    ends = torch.where(ends.isfinite(), ends, torch.inf)
    diverged = ends > start
    drawable = surface.in_view(points).all(0) & ~diverged
    best = int(torch.where(drawable, ends, torch.inf).argmin() if drawable.any() else ends.argmin())
    last = points[-1, best]
    distance = float((last - last.new_tensor(surface.minimum)).norm())
    return Path(surface, rates[best], points[:, best], float(ends[best]), distance, int(diverged.sum()), len(rates))
