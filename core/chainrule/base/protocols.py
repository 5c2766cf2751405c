"""What the core calls on a module, a loss or an initializer, whether or not it inherits from a parent class.

Axis 0 of every tensor that a plugin receives is the member axis M; a single model is M = 1.
Modules, losses and initializers work if they have these methods; their parent classes supply most. Optimizers inherit
from `chainrule.Optimizer`, which declares their settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from chainrule.base.parameter import Parameter


@runtime_checkable
class ModuleLike(Protocol):
    """A differentiable map with parameters, whose backward is written by hand."""

    training: bool
    needs_input_grad: bool

    def forward(self, x: Tensor) -> Tensor:
        """Map x (M, N, …) to y (M, N, …) and save what backward needs."""

    def backward(self, grad_output: Tensor) -> Tensor | None:
        """Add to every parameter's gradient and return dL/dx, or None where needs_input_grad is False."""

    def named_children(self) -> Iterable[tuple[str, ModuleLike]]:
        """Yield the modules directly inside, each with its name."""

    def own_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Yield the parameters directly inside, each with its name."""


@runtime_checkable
class LossLike(Protocol):
    """A scalar per member, and its gradient with respect to the prediction; `fit` takes "mean" and "sum"."""

    reduction: str

    def __call__(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the loss (M,) and save what backward needs; with per_member=True each member has its own target."""

    def backward(self, grad_output: Tensor | None = None) -> Tensor:
        """Return dL/dprediction (M, N, …) for the last call, times dL/dloss (M,), which is 1 by default."""

    def denominator(self, prediction: Tensor, target: Tensor) -> float | Tensor:
        """Return what the mean over this batch (M, N, …) divides by, a number or a tensor (M,)."""

    def mean(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the mean (M,), whatever the reduction, and save nothing."""

    def over_members(self) -> LossLike:
        """Return a loss with the same settings that takes and returns the member axis."""


@runtime_checkable
class InitializerLike(Protocol):
    """The first values of a parameter."""

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        """Fill one member's tensor, in place, with random numbers from generator alone."""
