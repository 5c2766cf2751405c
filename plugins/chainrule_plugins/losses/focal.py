"""The focal loss of logits."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike, expect_number


class Focal(Loss):
    """Binary cross-entropy of logits, weighted down where the label is already likely, averaged or summed.

    Forward:  ``ℓ = a qᵞ b`` for each logit x, with ``b = log(1 + exp(−x)) + (1 − t) x``, the probability of the other
              label ``q = t σ(−x) + (1 − t) σ(x)`` and ``a = alpha t + (1 − alpha) (1 − t)``, or a = 1 with alpha=None;
              ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dx = a (qᵞ (σ(x) − t) + γ qᵞ⁻¹ σ(x) σ(−x) (1 − 2t) b)``, divided alike
    Shapes:   logits x, targets t in [0, 1] and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   Lin et al. 2017, arXiv:1708.02002, eq. (5), as torchvision's sigmoid_focal_loss
    Raises:   ShapeError if the shapes or dtypes differ, or targets are not from 0 to 1; HyperparameterError if gamma is
              below 0, or alpha is not from 0 to 1.
    """

    takes = "scores"

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        gamma: float = 2.0,
        alpha: float | None = 0.25,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, members=members)
        self.gamma = expect_number(self, "gamma", gamma, at_least=0)
        self.alpha = None if alpha is None else expect_number(self, "alpha", alpha, at_least=0, at_most=1)

    def target_domain(self) -> tuple[float, float]:
        return 0.0, 1.0

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        self.save_for_backward(prediction, target)
        other = torch.lerp(prediction.sigmoid(), prediction.neg().sigmoid(), target)
        return self._of_labels(target) * other.pow(self.gamma) * _cross_entropy(prediction, target)

    def gradient(self) -> Tensor:
        prediction, target = self.saved_tensors()
        p, rest = prediction.sigmoid(), prediction.neg().sigmoid()
        other = torch.lerp(p, rest, target)
        grad = other.pow(self.gamma) * ((1 - target) * p - target * rest)  # σ(x) − t where both are near 1
        if self.gamma:
            # Where the other label's probability underflows, p (1 − p) does too, and their product is 0.
            power = other.clamp_min_(torch.finfo(other.dtype).tiny).pow(self.gamma - 1)
            slope = (1 - 2 * target) * p * rest
            grad += self.gamma * power * slope * _cross_entropy(prediction, target)
        return grad * self._of_labels(target)

    def _of_labels(self, target: Tensor) -> Tensor | float:
        return 1.0 if self.alpha is None else (2 * self.alpha - 1) * target + (1 - self.alpha)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        others = [cls(gamma=0.5, alpha=None), cls(gamma=0.0)]
        return [(loss, prediction, target.sigmoid()) for loss in [*(loss for loss, *_ in examples), *others]]


def _cross_entropy(x: Tensor, target: Tensor) -> Tensor:
    """Return ``log(1 + exp(−x)) + (1 − t) x``."""
    return x.clamp_min(0) - x * target + x.abs().neg().exp().log1p()
