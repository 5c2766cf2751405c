"""The problem on which optimizers are compared, the way of one through it, and where two ways part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from chainrule import ChainruleError, Optimizer
from chainrule.testing.optimizers.trials import weights
from chainrule.updates.chain import Chain

SHAPES = {"weight": (4, 3), "bias": (3,)}
PROBLEM = (
    "f(θ) = Σ c (θ − 1)² / 2 with c from 0.01 to 10 and noise of standard deviation 0.1 in the gradients, which both "
    "see alike; float64"
)

Tensors = dict[str, Tensor]


class Walker(Protocol):
    """Parameters that an optimizer moves."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Their values, by name."""

    def step(self, gradients: Tensors) -> None:
        """Move the parameters in place, or put others in their place."""


Start = Callable[[Tensors], Walker]
"""A function from the first parameters, which it copies, to what an optimizer moves."""


def shapes_of(rule: Optimizer) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the problem's parameters, those that the rule accepts.

    Raises:
        ChainruleError: if it accepts none.
    """
    ranks = Chain(rule).ranks
    shapes: dict[str, tuple[int, ...]] = {name: shape for name, shape in SHAPES.items() if len(shape) in ranks}
    if not shapes:
        raise ChainruleError(
            f"diff: the rule must accept matrices or vectors, got one for ranks {ranks}. Choose another."
        )
    return shapes


def walk(start: Start, shapes: Mapping[str, tuple[int, ...]], steps: int) -> Tensor:
    """Return the parameters after each step, (steps, elements)."""
    generator = torch.Generator("cpu").manual_seed(0)

    def normal(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu")

    first = {name: normal(shape) for name, shape in shapes.items()}
    curvatures = {
        name: torch.logspace(-2, 1, one.numel(), dtype=torch.float64, device="cpu").view_as(one)
        for name, one in first.items()
    }
    walker, passed = start(first), []
    for _ in range(steps):
        noise = {name: 0.1 * normal(shape) for name, shape in shapes.items()}
        here = walker.parameters
        walker.step({name: curvatures[name] * (here[name].detach() - 1) + noise[name] for name in shapes})
        passed.append(torch.cat([walker.parameters[name].detach().clone().flatten() for name in shapes]))
    return torch.stack(passed)


class OwnWalker:
    """Parameters that a rule of chainrule moves."""

    def __init__(self, rule: Optimizer, first: Tensors) -> None:
        network = weights(rule, {name: tuple(value.shape) for name, value in first.items()})
        self._held = dict(network.named_parameters())
        self.parameters = {name: parameter.data[0] for name, parameter in self._held.items()}
        for name, value in first.items():
            self.parameters[name].copy_(value)
        self._updater = rule.attach(network)

    def step(self, gradients: Tensors) -> None:
        """Take a step of the rule."""
        for name, gradient in gradients.items():
            self._held[name].grad[0].copy_(gradient)
        self._updater.step()


def by(rule: Optimizer) -> Start:
    """Return what starts the rule."""
    return lambda first: OwnWalker(rule, first)


@dataclass(frozen=True)
class Parting:
    """Where two trajectories part.

    Attributes:
        differences: the largest relative difference after each step, |ours − theirs| / max(|theirs|, 1).
        first: the first step t = 1, 2, … whose difference is above the tolerance; None if there is none.
        element: the element that differs most there, such as "weight[1, 2]".
        ours, theirs: its two values.
    """

    differences: Tensor
    first: int | None
    element: str
    ours: float
    theirs: float

    @property
    def largest(self) -> float:
        """The largest difference after any step."""
        return float(self.differences.max())


def parting(ours: Tensor, theirs: Tensor, shapes: Mapping[str, tuple[int, ...]], tolerance: float) -> Parting:
    """Compare two trajectories, each (steps, elements)."""
    gaps = (ours - theirs).abs() / theirs.abs().clamp_min(1)
    gaps = gaps.masked_fill(gaps.isnan(), torch.inf).masked_fill((ours == theirs) | (ours.isnan() & theirs.isnan()), 0)
    differences = gaps.amax(1)
    beyond = (differences > tolerance).nonzero()
    if not len(beyond):
        return Parting(differences, None, "", 0.0, 0.0)
    step = int(beyond[0])
    worst = int(gaps[step].argmax())
    return Parting(differences, step + 1, _name(worst, shapes), float(ours[step, worst]), float(theirs[step, worst]))


def _name(position: int, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the name of an element by its position in a step's row."""
    for name, shape in shapes.items():
        size = torch.Size(shape).numel()
        if position < size:
            index = [int(each) for each in torch.unravel_index(torch.tensor(position), shape)]
            return f"{name}{index}"
        position -= size
    raise IndexError(position)
