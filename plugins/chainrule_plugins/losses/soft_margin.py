"""The logistic loss of labels −1 and 1."""

from __future__ import annotations

from torch import Tensor

from chainrule.ops import expect_alike
from chainrule_plugins.signed_labels import SignedLabelLoss


class SoftMargin(SignedLabelLoss):
    """The logistic loss of scores and labels −1 and 1, averaged or summed.

    Forward:  ``ℓ = log(1 + exp(−t p))`` for each element; ``L = Σ ℓ``, divided by their number with reduction="mean"
    Backward: ``dp = −t σ(−t p)``, divided alike
    Shapes:   prediction p, target t and terms ℓ (N, …) alike, of an ensemble (M, N, …); L () or (M,)
    Source:   torch.nn.SoftMarginLoss
    Raises:   ShapeError if the shapes or dtypes differ, or a label is another.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        margin = prediction * target
        self.save_for_backward(margin, target)
        return margin.clamp_max(0).neg() + margin.abs().neg().exp().log1p()

    def gradient(self) -> Tensor:
        margin, target = self.saved_tensors()
        return (-margin).sigmoid_().mul_(target).neg_()
