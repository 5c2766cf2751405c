"""What losses of labels −1 and 1 have in common."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from chainrule import Loss, ShapeError, label


class SignedLabelLoss(Loss):
    """A loss of scores and labels −1 and 1 in the same shape."""

    takes = "scores"

    def check_target(self, target: Tensor) -> None:
        wrong = target[(target.abs() != 1) & ~target.isnan()]
        if len(wrong):
            raise ShapeError(
                f"{label(self)}: targets must be labels -1 and 1, got {wrong[0].item():g}. "
                "Convert labels 0 and 1 with 2 * y - 1."
            )

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        return [(loss, prediction, target.sign()) for loss, prediction, target in super().examples()]
