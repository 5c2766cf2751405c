"""Binary cross-entropy of logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike, expect_weights
from chainrule_plugins.element_weights import expect_broadcast, weighted
from chainrule_plugins.weighting import absorbing_product


class BceWithLogits(Loss):
    """The negative log-likelihood of labels 0 and 1 under the sigmoids of logits, averaged or summed.

    Forward:  ``ℓ = w ((1 − t) log(1 + exp(x)) + v t log(1 + exp(−x)))`` for each logit x, with weight w and pos_weight
              v, and 0 · ∞ = 0; ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dx = w ((1 − t) σ(x) − v t σ(−x))``, divided alike; ``σ(x) − t`` where w = v = 1
    Shapes:   logits x, targets t in [0, 1] and terms ℓ (N, …) alike, of an ensemble (M, N, …); w and v broadcast
              against (N, …); L () or (M,)
    Source:   torch.nn.BCEWithLogitsLoss
    Raises:   ShapeError if the shapes or dtypes differ, targets are not from 0 to 1, or weights do not fit;
              HyperparameterError if weights are not finite.
    """

    takes = "scores"

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        weight: Tensor | Sequence[float] | None = None,
        pos_weight: Tensor | Sequence[float] | None = None,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, members=members)
        self.weight = expect_weights(self, "weight", weight)
        self.pos_weight = expect_weights(self, "pos_weight", pos_weight)

    def target_domain(self) -> tuple[float, float]:
        return 0.0, 1.0

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        for name in ("weight", "pos_weight"):
            expect_broadcast(self, name, getattr(self, name), prediction)
        self.save_for_backward(prediction, target)
        negatives, positives = 1 - target, self._positives(target)
        terms = absorbing_product(negatives, prediction.clamp_min(0))
        terms += absorbing_product(positives, prediction.neg().clamp_min_(0))
        rest = prediction.abs().neg_().exp().log1p()  # log(1 + exp(x)) = max(x, 0) + rest, and so for −x
        terms += rest if self.pos_weight is None else rest * (negatives + positives)
        return weighted(terms, self.weight)

    def gradient(self) -> Tensor:
        prediction, target = self.saved_tensors()
        grad = (1 - target).mul_(prediction.sigmoid()) - self._positives(target) * prediction.neg().sigmoid_()
        return weighted(grad, self.weight)

    def _positives(self, target: Tensor) -> Tensor:
        """Return the weights of the labels 1, v t."""
        return weighted(target, self.pos_weight)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        weight = target[0].abs()
        more = cls(weight=weight, pos_weight=2 * weight)
        return [(loss, x, t.sigmoid()) for loss, x, t in [*examples, (more, prediction, target)]]
