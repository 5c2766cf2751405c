"""The negative log-likelihood of counts under Poisson distributions."""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike, expect_flag, expect_number


class PoissonNll(Loss):
    """The negative log-likelihood of counts under Poisson distributions of predicted rates, averaged or summed.

    Forward:  ``ℓ = exp(x) − t x`` for each logarithm x of a rate, or for rates x, with log_input=False,
              ``ℓ = x − t log(x + eps)``; with full=True plus Stirling's ``t log t − t + log(2 π t) / 2`` where t > 1;
              ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dx = exp(x) − t``, or ``dx = 1 − t / (x + eps)``, divided alike
    Shapes:   prediction x, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   torch.nn.PoissonNLLLoss
    Raises:   ShapeError if the shapes or dtypes differ, logarithms are above 80, where exp nears the end of float32, or
              rates or counts are below 0; HyperparameterError if eps is not above 0.
    """

    non_negative = False

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, members=members)
        self.log_input, self.full = expect_flag(self, "log_input", log_input), expect_flag(self, "full", full)
        self.eps = expect_number(self, "eps", eps, above=0)

    def domain(self) -> tuple[float, float]:
        return (-math.inf, 80.0) if self.log_input else (0.0, math.inf)

    def target_domain(self) -> tuple[float, float]:
        return 0.0, math.inf

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        self.save_for_backward(prediction, target)
        if self.log_input:
            terms = prediction.exp() - target * prediction
        else:
            terms = prediction - target * (prediction + self.eps).log()
        if self.full:
            count = target.clamp_min(1)  # for which Stirling's formula is not 0 yet
            stirling = count * count.log() - count + (2 * math.pi * count).log() / 2
            terms = terms + stirling * (target > 1).to(terms)
        return terms

    def gradient(self) -> Tensor:
        prediction, target = self.saved_tensors()
        return prediction.exp() - target if self.log_input else 1 - target / (prediction + self.eps)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        counts = (2 * target).square().round()
        others = [(cls(full=True), prediction, counts), (cls(log_input=False), prediction.exp(), counts)]
        return [*[(loss, x, counts) for loss, x, _ in examples], *others]
