"""Binary cross-entropy of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike, expect_weights
from chainrule_plugins.element_weights import expect_broadcast, weighted

FLOOR = -100.0
"""The least logarithm, so that a probability of 0 or 1 on the wrong side costs 100, as in torch."""


class Bce(Loss):
    """The negative log-likelihood of labels 0 and 1 under predicted probabilities, averaged or summed.

    Forward:  ``ℓ = −w (t log p + (1 − t) log(1 − p))`` for each element, with weight w and logarithms of at least −100;
              ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dp = w (p − t) / (p (1 − p))``, with a denominator of at least 1e-12, divided alike
    Shapes:   probabilities p, targets t in [0, 1] and terms ℓ (N, …) alike, of an ensemble (M, N, …); w broadcasts
              against (N, …); L () or (M,)
    Source:   torch.nn.BCELoss; bce_with_logits keeps digits where p is near 0 or 1
    Raises:   ShapeError if the shapes or dtypes differ, predictions or targets are not from 0 to 1, or weights do not
              fit; HyperparameterError if weights are not finite.
    """

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        weight: Tensor | Sequence[float] | None = None,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, members=members)
        self.weight = expect_weights(self, "weight", weight)

    def domain(self) -> tuple[float, float]:
        return 0.0, 1.0

    def target_domain(self) -> tuple[float, float]:
        return 0.0, 1.0

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        expect_broadcast(self, "weight", self.weight, prediction)
        self.save_for_backward(prediction, target)
        log_p, log_rest = prediction.log().clamp_min(FLOOR), prediction.neg().log1p().clamp_min(FLOOR)
        terms = torch.lerp(log_rest, log_p, target).neg_()
        return weighted(terms, self.weight)

    def gradient(self) -> Tensor:
        prediction, target = self.saved_tensors()
        grad = (prediction - target).div_((prediction * (1 - prediction)).clamp_min_(1e-12))
        return weighted(grad, self.weight)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        weighted = cls(weight=target[0].abs())
        return [(loss, x.sigmoid(), t.sigmoid()) for loss, x, t in [*examples, (weighted, prediction, target)]]
