"""What metrics of regression have in common: the errors of each output, and the examples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule import Metric
from chainrule.ops import expect_alike


class RegressionMetric(Metric):
    """A mean over the outputs of what follows from the errors of each."""

    def errors(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the differences between prediction and target, (M, N, outputs), in float64; raise ShapeError."""
        expect_alike(self, prediction, target)
        return (prediction.double() - target.double()).reshape(*prediction.shape[:2], -1)

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        generator = torch.Generator("cpu").manual_seed(0)
        prediction, target = torch.randn(2, 12, 3, generator=generator, dtype=torch.float64, device="cpu")
        return [(cls(), prediction, target), (cls(), prediction[:, :1], target[:, :1])]
