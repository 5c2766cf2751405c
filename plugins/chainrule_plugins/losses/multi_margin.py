"""The hinge loss of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import HyperparameterError, Loss
from chainrule.ops import expect_number, expect_weights
from chainrule_plugins.class_indices import expect_class_indices, expect_class_weights, gathered, one_class


class MultiMargin(Loss):
    """How far the score of each row's class fails to exceed the others by a margin, averaged or summed.

    Forward:  ``ℓₙ = w[y] Σₖ max(0, margin − xₙ[y] + xₙₖ)ᵖ / C`` over the classes k ≠ y, for scores x and class indices
              ``y = yₙ``, with class weights w; ``L = Σₙ ℓₙ``, divided by their number with reduction="mean"
    Backward: ``dxₙₖ = w[y] p mᵖ⁻¹ / C`` where ``m = margin − xₙ[y] + xₙₖ`` is above 0, else 0, for the classes k ≠ y;
              ``dxₙ[y] = −Σₖ dxₙₖ``; divided alike
    Shapes:   scores (N, C), target class indices (N,), w (C); of an ensemble with M in front; terms ℓ (N,) or (M, N);
              L () or (M,)
    Source:   torch.nn.MultiMarginLoss; Crammer & Singer 2001 take the largest term in place of the sum
    Raises:   ShapeError if C is 1, or the target has another shape, dtype, or an index outside 0 … C − 1;
              HyperparameterError if p is neither 1 nor 2, or margin or a weight is not finite.
    """

    takes = "scores"

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        p: Literal[1, 2] = 1,
        margin: float = 1.0,
        weight: Tensor | Sequence[float] | None = None,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, members=members)
        self.p, self.margin = expect_number(self, "p", p), expect_number(self, "margin", margin)
        if self.p not in (1, 2):
            raise HyperparameterError(f"multi_margin: p must be 1 or 2, got {p}. Choose one of the two.")
        self.weight = expect_weights(self, "weight", weight)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_class_indices(self, prediction, target, rank=3)
        if prediction.shape[2] == 1:
            raise one_class(self)
        expect_class_weights(self, self.weight, prediction)
        index = target.unsqueeze(2)  # (M, N, 1)
        own = gathered(self, prediction, index, target)
        missed = (prediction - own + self.margin).clamp_min(0).scatter(2, index, 0.0)
        weights = [] if self.weight is None else [self.weight.to(missed).take(index)]
        self.save_for_backward(missed, index, *weights)
        powers = missed if self.p == 1 else missed.square()
        return _scaled(powers.sum(2, keepdim=True), missed, weights).squeeze(2)

    def gradient(self) -> Tensor:
        missed, index, *weights = self.saved_tensors()
        grad = _scaled(missed.sign() if self.p == 1 else 2 * missed, missed, weights)
        return grad.scatter_(2, index, -grad.sum(2, keepdim=True))

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, scores, _), *_] = examples = super().examples()
        classes = torch.arange(5, device="cpu") % 3
        other = cls(p=2, margin=0.5, weight=[0.5, 2.0, 1.25])
        return [*[(loss, scores, classes) for loss, *_ in examples], (other, scores, classes)]


def _scaled(values: Tensor, missed: Tensor, weights: list[Tensor]) -> Tensor:
    """Multiply values (M, N, …) in place by ``w[y] / C``, and return them."""
    values.mul_(1 / missed.shape[2])
    return values.mul_(weights[0]) if weights else values
