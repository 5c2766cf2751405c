"""The soft Dice loss of masks."""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import Tensor

from chainrule import Loss, ShapeError
from chainrule.ops import expect_alike, expect_flag, expect_number


class Dice(Loss):
    """One minus the Dice coefficient of predicted masks and their targets, by row and channel, averaged or summed.

    Forward:  ``ℓ = 1 − (2 Σ p t + s) / (Σ p + Σ t + s)`` over the axes behind the channels, for probabilities p, or
              ``p = σ(x)`` of logits x with from_logits=True, and s = smooth; ``L = Σ ℓ``, divided by their number with
              reduction="mean"
    Backward: ``dp = (1 − ℓ − 2 t) / (Σ p + Σ t + s)``, divided alike, and ``dx = p (1 − p) dp``
    Shapes:   predictions and targets t in [0, 1] (N, C, …) alike, with an axis behind the channels or more, of an
              ensemble (M, N, C, …); terms ℓ (N, C) or (M, N, C); L () or (M,)
    Source:   Drozdzal et al. 2016, arXiv:1608.04117, eq. (1), whose sums are of p and t as here; those of Milletari et
              al. 2016, arXiv:1606.04797, are of their squares
    Raises:   ShapeError if the shapes or dtypes differ, nothing is behind the channels, or probabilities or targets are
              not from 0 to 1; HyperparameterError if smooth is not above 0.
    """

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        from_logits: bool = False,
        smooth: float = 1.0,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, members=members)
        self.from_logits = expect_flag(self, "from_logits", from_logits)
        self.smooth = expect_number(self, "smooth", smooth, above=0)

    @property
    def takes(self) -> Literal["any", "scores"]:  # type: ignore[override]
        return "scores" if self.from_logits else "any"

    def domain(self) -> tuple[float, float]:
        return (-math.inf, math.inf) if self.from_logits else (0.0, 1.0)

    def target_domain(self) -> tuple[float, float]:
        return 0.0, 1.0

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        expect_alike(self, prediction, target)
        if prediction.dim() < 4:
            raise ShapeError(
                "dice: predictions must have an axis behind the channels, (N, C, …), got "
                f"{tuple(prediction.shape[1:])}. Add one with .unsqueeze(1) for rows of a single channel."
            )
        p = prediction.sigmoid() if self.from_logits else prediction
        size = (p + target).flatten(3).sum(3) + self.smooth  # (M, N, C)
        overlap = (2 * (p * target).flatten(3).sum(3) + self.smooth) / size
        self.save_for_backward(p, target, size, overlap)
        return 1 - overlap

    def gradient(self) -> Tensor:
        p, target, size, overlap = self.saved_tensors()
        size, overlap = (part.view(*part.shape, *[1] * (p.dim() - 3)) for part in (size, overlap))
        grad = (overlap - 2 * target) / size
        return grad * p * (1 - p) if self.from_logits else grad

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        [(_, prediction, target), *_] = examples = super().examples()
        logits, masks = (part.view(5, 1, 3) for part in (prediction, target.sigmoid()))
        plain = [(loss, logits.sigmoid(), masks) for loss, *_ in examples]
        images = cls(from_logits=True, smooth=0.1), logits.view(5, 3, 1, 1), masks.view(5, 3, 1, 1)
        return [*plain, images]
