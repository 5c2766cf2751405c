"""Wrong losses: for batches of many rows, and where the prediction equals the target."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Loss, ShapeError
from chainrule_plugins.losses.mse import Mse

from . import collect

MUTANTS, wrong = collect("losses")


class Absolute(Loss):
    """The absolute error, whose slopes at the target are -1 and 1."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape or prediction.dtype != target.dtype:
            raise ShapeError(f"absolute: target must be as the prediction, got {tuple(target.shape)} {target.dtype}.")
        error = prediction - target
        self.save_for_backward(error)
        return error.abs()

    def gradient(self) -> Tensor:
        (error,) = self.saved_tensors()
        return error.sign()


@wrong("loss_of_many_rows_is_that_of_its_parts")
class GradientOfEightRows(Mse):
    def gradient(self) -> Tensor:
        grad = super().gradient()
        grad[:, 8:] = 0
        return grad


@wrong("gradient_at_the_target_is_between_the_slopes")
class ErrorOverItsSize(Absolute):
    def gradient(self) -> Tensor:
        (error,) = self.saved_tensors()
        return error / error.abs()


@wrong("gradient_at_the_target_is_between_the_slopes")
class RootWithAnEpsThatFloat32DoesNotHold(Absolute):
    def gradient(self) -> Tensor:
        (error,) = self.saved_tensors()
        return error / (error * error + 1e-60).sqrt()


@wrong("gradient_at_the_target_is_between_the_slopes")
class SteepAtTheTarget(Absolute):
    def gradient(self) -> Tensor:
        (error,) = self.saved_tensors()
        return torch.where(error == 0, 5.0, error.sign())
