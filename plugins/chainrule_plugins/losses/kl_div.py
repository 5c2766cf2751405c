"""The Kullback-Leibler divergence."""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike, expect_flag
from chainrule_plugins.weighting import absorbing_product


class KlDiv(Loss):
    """The divergence of target probabilities from predicted logarithms of probabilities, averaged or summed.

    Forward:  ``ℓ = t (log t − x)`` for each log-probability x, with 0 log 0 = 0, or for log-probabilities t, with
              log_target=True, ``ℓ = exp(t) (t − x)``; ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dx = −t``, or ``dx = −exp(t)``, divided alike
    Shapes:   prediction x, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   Kullback & Leibler 1951; for the divergence itself divide the sum by the number of rows, as torch's
              reduction="batchmean" does
    Raises:   ShapeError if the shapes or dtypes differ, a log-probability is above 0, or a target probability below 0.
    """

    takes = "log-probabilities"

    non_negative = False  # a term may be below 0, though the sum over a distribution is not

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        log_target: bool = False,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, members=members)
        self.log_target = expect_flag(self, "log_target", log_target)

    def domain(self) -> tuple[float, float]:
        return -math.inf, 0.0

    def target_domain(self) -> tuple[float, float]:
        return (-math.inf, 0.0) if self.log_target else (0.0, math.inf)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        probability = target.exp() if self.log_target else target
        self.save_for_backward(probability)
        if self.log_target:
            return absorbing_product(probability, target - prediction)  # 0 · ∞ where t = −∞
        return target.xlogy(target) - absorbing_product(target, prediction)  # 0 · −∞ where x is masked

    def gradient(self) -> Tensor:
        (probability,) = self.saved_tensors()
        return -probability

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        p, t = prediction.log_softmax(-1), target.log_softmax(-1)
        return [*[(loss, p, t.exp()) for loss, *_ in examples], (cls(log_target=True), p, t)]
