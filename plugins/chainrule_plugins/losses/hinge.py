"""The hinge loss of labels −1 and 1."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from chainrule.ops import expect_alike, expect_number
from chainrule_plugins.signed_labels import SignedLabelLoss


class Hinge(SignedLabelLoss):
    """The distance by which scores miss a margin on the side of their labels −1 and 1, averaged or summed.

    Forward:  ``ℓ = max(0, margin − t p)`` for each element; ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dp = −t`` where t p < margin, else 0, divided alike
    Shapes:   prediction p, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   Cortes & Vapnik 1995, "Support-vector networks"
    Raises:   ShapeError if the shapes or dtypes differ, or a label is another; HyperparameterError if
              margin is not above 0.
    """

    def __init__(
        self, reduction: Literal["mean", "sum", "none"] = "mean", *, margin: float = 1.0, members: bool = False
    ) -> None:
        super().__init__(reduction, members=members)
        self.margin = expect_number(self, "margin", margin, above=0)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        missed = (self.margin - prediction * target).clamp_min_(0)
        self.save_for_backward(missed, target)
        return missed

    def gradient(self) -> Tensor:
        missed, target = self.saved_tensors()
        return missed.sign().mul_(target).neg_()

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        return [*examples, (cls(margin=0.3), prediction, target)]
