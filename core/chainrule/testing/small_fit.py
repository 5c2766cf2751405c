"""A small fit for the checks on callbacks and tasks, with a network, a loss and a rule that need no plugins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.base.loss import Loss
from chainrule.base.module import Module
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.base.random_streams import random_stream
from chainrule.base.step import Step
from chainrule.network import Network
from chainrule.testing.optimizers.trials import normal
from chainrule.training import History, fit


class Product(Module):
    """Multiply each row by a matrix (3, 2)."""

    def __init__(self) -> None:
        self.weight = Parameter(3, 2, init=normal, fan_in=3, fan_out=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return x W."""
        self.save_for_backward(x)
        return x @ self.weight.data

    def backward(self, grad_output: Tensor) -> Tensor:
        """Add xᵀ dy to dW and return dy Wᵀ."""
        (x,) = self.saved_tensors()
        self.weight.grad += x.mT @ grad_output
        return grad_output @ self.weight.data.mT


class Squares(Loss):
    """Sum the squared differences of each member."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the sum for each row."""
        self.save_for_backward(prediction, target)
        return (prediction - target).square().sum(-1)

    def gradient(self) -> Tensor:
        """Return twice the differences."""
        prediction, target = self.saved_tensors()
        return 2 * (prediction - target)


class Descent(Optimizer):
    """Divide the gradient by the root of its bias-corrected mean square."""

    def init(self, parameter: Tensor) -> State:
        """Return a mean square of 0."""
        return {"square": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:  # noqa: ARG002
        """Return the gradient over its root mean square."""
        square = state["square"].mul_(0.9).addcmul_(grad, grad, value=0.1)
        return grad / ((square / (1 - 0.9**step.t)).sqrt() + 1e-8)


def small_fit(
    callbacks: Sequence[object] = (),
    *,
    seeds: Sequence[int] | None = None,
    epochs: int = 3,
    broken: bool = False,
    **checkpoint: Any,
) -> tuple[Network, History]:
    """Fit a small network to 24 rows and return it with its history; if broken, the third batch raises OSError."""
    network = Product().build(seeds=seeds, dtype=torch.float64)
    x, y = torch.randn(2, 24, 3, generator=random_stream(0, "small fit"), dtype=torch.float64)
    batches = _Breaking([(x[:8], y[:8, :2]), (x[8:16], y[8:16, :2])]) if broken else (x, y[:, :2])
    history = fit(
        network, Squares(), Descent(lr=0.05), train=batches, validation=(x, y[:, :2]), epochs=epochs, batch_size=8,
        callbacks=callbacks, **checkpoint,
    )  # fmt: skip
    return network, history


class _Breaking(list[tuple[Tensor, Tensor]]):
    """Batches followed by an OSError."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from super().__iter__()
        raise OSError("no space left on device")
