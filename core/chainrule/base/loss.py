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
    """A scalar distance between predictions and targets, and its gradient.

    A subclass writes `forward`, the sum of the terms, and `gradient`, the gradient of that sum; both see the member
    axis. The reduction, and adding and removing that axis, are done here.

    Args:
        reduction: "mean" or "sum" over the terms, as for torch's loss of the same name.
        members: whether predictions come from an ensemble, (M, N, …); the loss is then (M,).

    Raises:
        HyperparameterError: for another reduction.
        ShapeError: where shapes or dtypes do not fit.
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
        """Return the sum of the terms (M,); save what `gradient` needs with `save_for_backward`."""

    @abstractmethod
    def gradient(self) -> Tensor:
        """Return the gradient of that sum, (M, N, …), as a new tensor."""

    def terms(self, prediction: Tensor) -> int:
        """Return the number of terms per member that the mean divides by; the batch size N by default."""
        return prediction.shape[1]

    @final
    def __call__(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the loss, and save what `backward` needs.

        Shapes: prediction (N, …) with a target that fits it, result (); with members=True prediction (M, N, …), a
        target shared by all members or, with per_member=True, one for each, result (M,)
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
        """Return dL/dprediction for the last call, in the prediction's shape."""
        grad = self.gradient()
        if self._scale != 1.0:
            grad.mul_(self._scale)
        return grad if self.members else grad[0]

    @final
    def mean(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the mean, whatever the reduction, and save nothing; shapes as in a call."""
        prediction, target = self._with_member_axis(prediction, target, per_member)
        saved, self.training = (self._saved, self._versions), False
        try:
            mean = self.forward(prediction, target) / self._count(prediction)
        finally:
            (self._saved, self._versions), self.training = saved, True
        return mean if self.members else mean[0]

    @final
    def over_members(self) -> Loss:
        """Return a copy that takes the predictions of an ensemble."""
        other = copy.copy(self)
        other.members = True
        return other

    def _count(self, prediction: Tensor) -> int:
        count = self.terms(prediction)
        if count == 0:
            raise ShapeError(f"{label(self)}: a mean needs at least one term; the batch is empty. Pass a row or more.")
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
        """Return instances for the conformance kit, each with a sample prediction (N, …) and a target that fits it."""
        generator = torch.Generator().manual_seed(0)
        prediction, target = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
        return [(cls(reduction), prediction, target) for reduction in ("mean", "sum")]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(reduction="{self.reduction}", members={self.members})'
