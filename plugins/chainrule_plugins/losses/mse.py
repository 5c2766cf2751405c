"""The mean squared error."""

from __future__ import annotations

from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike


class Mse(Loss):
    """The squared differences between prediction and target, averaged or summed.

    Forward:  ``ℓ = (p − t)²`` for each element; ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dp = 2 (p − t)``, divided alike
    Shapes:   prediction p, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   paper eq. (3); its eq. (2) puts a sigmoid inside, which here is a module of its own
    Raises:   ShapeError if the shapes or dtypes differ.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        difference = prediction - target
        self.save_for_backward(difference)
        return difference.square()

    def gradient(self) -> Tensor:
        (difference,) = self.saved_tensors()
        return 2 * difference
