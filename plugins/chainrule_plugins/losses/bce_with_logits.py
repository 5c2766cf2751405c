"""Binary cross-entropy of logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike, expect_weights


class BceWithLogits(Loss):
    """The negative log-likelihood of labels 0 and 1 under the sigmoids of logits, averaged or summed.

    Forward:  ``ℓ = w ((1 − t) x + (1 + (v − 1) t) log(1 + exp(−x)))`` for each logit x, with weight w and pos_weight v;
              ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dx = w ((1 − t) − (1 + (v − 1) t) σ(−x))``, divided alike; ``σ(x) − t`` where w = v = 1
    Shapes:   logits x, targets t in [0, 1] and terms ℓ (N, …) alike, of an ensemble (M, N, …); w and v broadcast
              against (N, …); L () or (M,)
    Source:   torch.nn.BCEWithLogitsLoss
    Raises:   ShapeError if the shapes or dtypes differ; HyperparameterError if weights are not finite.
    """

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

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        self.save_for_backward(prediction, target)
        softplus = prediction.neg().clamp_min_(0) + prediction.abs().neg().exp().log1p()  # log(1 + exp(−x))
        terms = (1 - target).mul_(prediction).add_(self._of_labels(target) * softplus)
        return terms if self.weight is None else terms * self.weight.to(terms)

    def gradient(self) -> Tensor:
        prediction, target = self.saved_tensors()
        grad = (1 - target).sub_(self._of_labels(target) * prediction.neg().sigmoid())
        return grad if self.weight is None else grad * self.weight.to(grad)

    def _of_labels(self, target: Tensor) -> Tensor | float:
        return 1.0 if self.pos_weight is None else (self.pos_weight.to(target) - 1) * target + 1

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        weight = target[0].abs()
        more = cls(weight=weight, pos_weight=2 * weight)
        return [(loss, x, t.sigmoid()) for loss, x, t in [*examples, (more, prediction, target)]]
