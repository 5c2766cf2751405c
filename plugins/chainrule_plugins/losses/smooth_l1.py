"""The absolute error, squared near zero."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike, expect_number


class SmoothL1(Loss):
    """The absolute differences between prediction and target, squared where they are small, averaged or summed.

    Forward:  ``ℓ = d² / (2 β)`` where |d| < β, else ``ℓ = |d| − β / 2``, with d = p − t; ``L = Σ ℓ``, divided by their
              number with reduction="mean"
    Backward: ``dp = d / β`` where |d| < β, else ``dp = sign(d)``, divided alike
    Shapes:   prediction p, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   Girshick 2015, "Fast R-CNN", arXiv:1504.08083
    Raises:   ShapeError if the shapes or dtypes differ; HyperparameterError if beta is not above 0.
    """

    def __init__(
        self, reduction: Literal["mean", "sum", "none"] = "mean", *, beta: float = 1.0, members: bool = False
    ) -> None:
        super().__init__(reduction, members=members)
        self.beta = expect_number(self, "beta", beta, above=0)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        difference = prediction - target
        self.save_for_backward(difference)
        small = difference.clamp(-self.beta, self.beta).div_(self.beta)
        return torch.sub(difference, small, alpha=0.5 * self.beta).mul_(small)  # s (d − β s / 2), s = d / β or sign(d)

    def gradient(self) -> Tensor:
        (difference,) = self.saved_tensors()
        return (difference / self.beta).clamp_(-1, 1)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        return [*examples, (cls(beta=0.3), prediction, target)]
