"""`Loss`: the parent class of every loss."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from chainrule.base.saved_tensors import KeepsForBackward
from chainrule.errors import HyperparameterError, ShapeError, label


class Loss(KeepsForBackward, ABC):
    """A scalar that says how far predictions are from their targets, and its gradient.

    An author writes `forward`, the sum of the terms, and `gradient`, the gradient of that sum; both see the member
    axis. The reduction and the border (adding and removing that axis) are done here.

    Args:
        reduction: "mean" or "sum" over the terms, as in torch's loss of that name.
        members: whether the prediction is an ensemble's, (M, N, …); the loss is then (M,).

    Errors: HyperparameterError for another reduction; ShapeError where shapes or dtypes do not fit
    """

    non_negative: ClassVar[bool] = True
    """Whether the loss is never below 0."""

    def __init__(self, reduction: Literal["mean", "sum"] = "mean", *, members: bool = False) -> None:
        if reduction not in ("mean", "sum"):
            raise HyperparameterError(
                f'{label(self)}: reduction must be "mean" or "sum", got {reduction!r}. Choose one of the two.'
            )
        self.reduction: str = reduction
        self.members = members
        self._scale = 1.0

    @abstractmethod
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the sum of the terms (M,) and keep what `gradient` needs with `save_for_backward`."""

    @abstractmethod
    def gradient(self) -> Tensor:
        """Return the gradient of that sum, (M, N, …), as a new tensor."""

    def terms(self, prediction: Tensor) -> int:
        """Return the number of terms per member, by which the mean divides; by default the batch size N."""
        return prediction.shape[1]

    @final
    def __call__(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the loss, and keep what `backward` needs.

        Shapes: prediction (N, …) and target as it fits, result (); with members=True prediction (M, N, …), target
        shared by the members or with per_member=True one each, result (M,)
        """
        prediction, target = self._with_member_axis(prediction, target, per_member)
        total = self.forward(prediction, target)
        self._scale = 1.0
        if self.reduction == "mean":
            self._scale = 1.0 / self._count(prediction)
            total = total * self._scale
        return total if self.members else total[0]

    @final
    def backward(self) -> Tensor:
        """Return dL/dprediction, the prediction's shape, for the last call."""
        grad = self.gradient()
        if self._scale != 1.0:
            grad.mul_(self._scale)
        return grad if self.members else grad[0]

    @final
    def mean(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the mean whatever the reduction, and keep nothing; shapes as in a call."""
        prediction, target = self._with_member_axis(prediction, target, per_member)
        kept, self.training = (self._saved, self._versions), False
        try:
            mean = self.forward(prediction, target) / self._count(prediction)
        finally:
            (self._saved, self._versions), self.training = kept, True
        return mean if self.members else mean[0]

    @final
    def over_members(self) -> Loss:
        """Return a copy that takes an ensemble's predictions."""
        other = copy.copy(self)
        other.members = True
        return other

    def _count(self, prediction: Tensor) -> int:
        count = self.terms(prediction)
        if count == 0:
            raise ShapeError(
                f"{label(self)}: a mean must have at least one term, got an empty batch. Pass a row or more."
            )
        return count

    def _with_member_axis(self, prediction: Tensor, target: Tensor, per_member: bool) -> tuple[Tensor, Tensor]:
        if not self.members:
            if per_member:
                raise ShapeError(
                    f"{label(self)}: per_member must be False for a single model, got True. "
                    f"Make the loss as {label(self)}(members=True)."
                )
            return prediction.unsqueeze(0), target.unsqueeze(0)
        if not per_member:
            target = target.expand(prediction.shape[0], *target.shape)
        return prediction, target

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        """Return instances, each with a sample prediction (N, …) and a target that fits it."""
        generator = torch.Generator().manual_seed(0)
        prediction, target = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
        return [(cls(reduction), prediction, target) for reduction in ("mean", "sum")]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(reduction="{self.reduction}", members={self.members})'
