"""Wrong losses whose predictions are probabilities, as declared or not."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import Loss
from chainrule_plugins.losses.bce import Bce
from chainrule_plugins.losses.nll import Nll

from . import collect

MUTANTS, wrong = collect("losses")


@wrong("loss_gradient_agrees_with_differences")
class GradientOfTheLogits(Bce):
    def gradient(self) -> Tensor:
        prediction, target = self.saved_tensors()
        return prediction - target


@wrong("value_is_per_member")
class FirstMembersTargetForAll(Bce):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction, target[:1].expand(target.shape))


@wrong("extreme_predictions_stay_finite")
class InfiniteForCertainPredictions(Bce):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        super().forward(prediction, target)
        return -(target * prediction.log() + (1 - target) * (1 - prediction).log())


@wrong("gradient_at_the_target_is_between_the_slopes")
class SteepAtTheTarget(Bce):
    def gradient(self) -> Tensor:
        prediction, target = self.saved_tensors()
        return torch.where(prediction == target, 5.0, prediction - target)


@wrong("value_is_non_negative_unless_declared")
class LogitsNotRuledOut(Bce):
    def domain(self) -> tuple[float, float]:
        return -math.inf, math.inf


@wrong("value_is_non_negative_unless_declared")
class LogProbabilityItself(Nll):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return -super().forward(prediction, target)


@wrong("loss_gradient_agrees_with_differences")
class ExamplesOutsideTheDomain(Bce):
    @classmethod
    def examples(cls) -> list[tuple[Loss, Tensor, Tensor]]:
        return [(loss, prediction + 1, target) for loss, prediction, target in super().examples()]
