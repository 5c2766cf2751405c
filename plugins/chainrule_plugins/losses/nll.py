"""The negative log-likelihood of classes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from chainrule_plugins.class_indices import ClassLoss, expect_class_indices, expect_class_weights, gathered
from chainrule_plugins.weighting import absorbing_product


class Nll(ClassLoss):
    """The negative log-likelihood of classes under predicted logarithms of probabilities, averaged or summed.

    Forward:  ``ℓₙ = −wₙ xₙ[yₙ]`` for log-probabilities x and class indices y, with the class's weight ``wₙ = w[yₙ]``,
              0 if yₙ is ignore_index; ``L = Σₙ ℓₙ``, divided by ``Σₙ wₙ`` with reduction="mean"
    Backward: ``dxₙ[yₙ] = −wₙ``, divided alike, and 0 at other classes
    Shapes:   log-probabilities (N, C, …), target class indices (N, …), w (C); of an ensemble with M in front; terms ℓ
              (N, …) or (M, N, …); L () or (M,)
    Source:   torch.nn.NLLLoss
    Raises:   ShapeError if a prediction is above 0, or the target has another shape, dtype, or an index outside
              0 … C − 1; HyperparameterError if a weight is not finite.
    """

    def domain(self) -> tuple[float, float]:
        return -math.inf, 0.0

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_class_indices(self, prediction, target)
        expect_class_weights(self, self.weight, prediction)
        classes, counts = self._counted_indices(target)
        index = classes.unsqueeze(2)  # (M, N, 1, …)
        own = gathered(self, prediction, index, target).squeeze(2)
        if not self._weighs:
            self.save_for_backward(prediction, index)
            return own.neg()
        weights = self._weights(classes, counts, prediction)
        self.save_for_backward(prediction, index, weights)
        return absorbing_product(weights, own).neg_()  # 0 · −∞ where a class is masked

    def gradient(self) -> Tensor:
        prediction, index, *weights = self.saved_tensors()
        grad = torch.zeros_like(prediction)
        return grad.scatter_(2, index, -weights[0].unsqueeze(2)) if weights else grad.scatter_(2, index, -1.0)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        generator = torch.Generator("cpu").manual_seed(0)
        scores = torch.randn(5, 3, 2, generator=generator, dtype=torch.float64, device="cpu").log_softmax(1)
        classes = torch.randint(3, (5, 2), generator=generator, device="cpu")
        rows = [(cls(reduction), scores[..., 0], classes[:, 0]) for reduction in ("mean", "sum")]
        weighted = cls(weight=[0.5, 2.0, 1.25], ignore_index=int(classes[0, 0]))
        return [*rows, (cls(), scores, classes), (weighted, scores, classes)]
