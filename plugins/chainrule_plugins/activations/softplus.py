"""The smooth form of relu."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module
from chainrule.ops import expect_number


class Softplus(Module):
    """Bend smoothly from zero, for small values, to the value itself, for large ones.

    Forward:  ``y = log(1 + exp(β x)) / β``, and ``y = x`` where β x > threshold
    Backward: ``dx = dy σ(β x)``, and ``dx = dy`` where β x > threshold
    Shapes:   any
    Source:   Dugas, Bengio, Bélisle, Nadeau & Garcia 2001, "Incorporating second-order functional knowledge"
    Raises:   HyperparameterError if beta is not above 0.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = expect_number(self, "beta", beta, above=0)
        self.threshold = expect_number(self, "threshold", threshold)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        y: Tensor = torch.ops.aten.softplus(x, self.beta, self.threshold)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        # in one pass: on a CPU, torch.where takes twenty times as long
        grad: Tensor = torch.ops.aten.softplus_backward(grad_output, x, self.beta, self.threshold)
        return grad

    @classmethod
    def examples(cls) -> list[tuple[Softplus, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(2.0, 1.0), (2, 3))]
