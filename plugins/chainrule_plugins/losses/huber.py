"""The squared error, linear far from zero."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike, expect_number


class Huber(Loss):
    """The squared differences between prediction and target, linear where they are large, averaged or summed.

    Forward:  ``ℓ = d² / 2`` where |d| < δ, else ``ℓ = δ (|d| − δ / 2)``, with d = p − t; ``L = Σ ℓ``, divided by their
              number with reduction="mean"
    Backward: ``dp = d`` where |d| < δ, else ``dp = δ sign(d)``, divided alike
    Shapes:   prediction p, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   Huber 1964, "Robust estimation of a location parameter"
    Raises:   ShapeError if the shapes or dtypes differ; HyperparameterError if delta is not above 0.
    """

    def __init__(
        self, reduction: Literal["mean", "sum", "none"] = "mean", *, delta: float = 1.0, members: bool = False
    ) -> None:
        super().__init__(reduction, members=members)
        self.delta = expect_number(self, "delta", delta, above=0)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        difference = prediction - target
        self.save_for_backward(difference)
        small = difference.clamp(-self.delta, self.delta)
        return torch.sub(difference, small, alpha=0.5).mul_(small)  # s (d − s / 2), with s = d or s = δ sign(d)

    def gradient(self) -> Tensor:
        (difference,) = self.saved_tensors()
        return difference.clamp(-self.delta, self.delta)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        return [*examples, (cls(delta=0.3), prediction, target)]
