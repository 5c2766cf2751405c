"""The mean absolute error."""

from __future__ import annotations

from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike


class L1(Loss):
    """The absolute differences between prediction and target, averaged or summed.

    Forward:  ``ℓ = |p − t|`` for each element; ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dp = sign(p − t)``, divided alike; 0 where they are equal
    Shapes:   prediction p, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   torch.nn.L1Loss
    Raises:   ShapeError if the shapes or dtypes differ.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        difference = prediction - target
        self.save_for_backward(difference)
        return difference.abs()

    def gradient(self) -> Tensor:
        (difference,) = self.saved_tensors()
        return difference.sign()
