"""The Gaussian error linear unit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import Module
from chainrule.ops import expect_word

SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715


class Gelu(Module):
    """Multiply each value by the probability that a standard normal number is below it.

    Forward:  ``y = x Φ(x)`` with ``Φ(x) = (1 + erf(x / √2)) / 2``; with approximate="tanh"
              ``Φ(x) ≈ (1 + tanh(u)) / 2``, ``u = √(2/π) (x + 0.044715 x³)``
    Backward: ``dx = dy (Φ + x Φ')`` with ``Φ' = exp(−x² / 2) / √(2π)``, or
              ``Φ' = (1 − tanh²(u)) √(2/π) (1 + 3 · 0.044715 x²) / 2``
    Shapes:   any
    Source:   Hendrycks & Gimpel 2016, arXiv:1606.08415
    Raises:   HyperparameterError if approximate is neither "none" nor "tanh".
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = expect_word(self, "approximate", approximate, ("none", "tanh"))

    def forward(self, x: Tensor) -> Tensor:
        if self.approximate == "tanh":
            cdf = (x * x).mul_(CUBIC).add_(1).mul_(x).mul_(SLOPE).tanh().add(1).mul_(0.5)
        else:
            cdf = (x * math.sqrt(0.5)).erf_().add_(1).mul_(0.5)
        self.save_for_backward(x, cdf)
        return x * cdf

    def backward(self, grad_output: Tensor) -> Tensor:
        x, cdf = self.saved_tensors()
        if self.approximate == "tanh":
            # (1 − tanh²) / 2 = 2 Φ (1 − Φ)
            density = (x * x).mul_(3 * CUBIC).add_(1).mul_(cdf).mul_(1 - cdf).mul_(2 * SLOPE)
        else:
            density = (x * x).mul_(-0.5).exp_().mul_(SLOPE / 2)
        return torch.addcmul(cdf, x, density).mul_(grad_output)

    @classmethod
    def examples(cls) -> list[tuple[Gelu, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls("tanh"), (2, 3))]
