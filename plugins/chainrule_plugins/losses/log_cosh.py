"""The logarithm of the hyperbolic cosine of the error."""

from __future__ import annotations

from torch import Tensor

from chainrule import Loss
from chainrule.ops import expect_alike


class LogCosh(Loss):
    """The logarithm of the hyperbolic cosine of the difference between prediction and target, averaged or summed.

    Forward:  ``ℓ = log cosh(d) = log(1 + 2 sinh²(d / 2))``, with d = p − t; ``L = Σ ℓ``, divided by their number with
              reduction="mean"
    Backward: ``dp = tanh(d)``, divided alike
    Shapes:   prediction p, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   Saleh & Saleh 2022, "Statistical properties of the log-cosh loss function", arXiv:2208.04564
    Raises:   ShapeError if the shapes or dtypes differ.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        difference = prediction - target
        self.save_for_backward(difference)
        size = difference.abs()
        small = size.clamp_max(20)  # sinh² may overflow; beyond 20 log cosh d grows as |d| does, to rounding
        return (size - small).add_((small / 2).sinh_().square_().mul_(2).log1p_())

    def gradient(self) -> Tensor:
        (difference,) = self.saved_tensors()
        return difference.tanh()
