"""RAdam."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Radam(Optimizer):
    """Adam that waits with its adaptive step until the variance of that step is bounded, and then rectifies it.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← β₂ v + (1 − β₂) g²``; ``m̂ = m / (1 − β₁ᵗ)``; ``ρ∞ = 2 / (1 − β₂) − 1``;
              ``ρ = ρ∞ − 2t β₂ᵗ / (1 − β₂ᵗ)``; ``r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ))``;
              ``d = r m̂ √(1 − β₂ᵗ) / (√v + eps)`` where ρ > 5, else ``d = m̂``; ``θ ← θ − lr (d + weight_decay θ)``
    Variant:  torch's: adaptive from ρ > 5, in the paper from ρ > 4; eps outside the root, before the correction; decay
              is decoupled, as torch's is with decoupled_weight_decay=True
    Source:   Liu et al. 2020, arXiv:1908.03265, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        bias2, longest = 1 - beta2**t, 2 / (1 - beta2) - 1
        rho, rectified = longest - 2 * t * beta2**t / bias2, 0.0
        if rho > 5:
            share = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
            rectified = math.sqrt(share * bias2)
        return {"bias1": 1 - beta1**t, "rectified": rectified, "plain": float(rho <= 5)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        root = square_root(state["v"].lerp_(grad * grad, 1 - beta2)).add_(self.eps)
        return m / step["bias1"] * (step["rectified"] / root + step["plain"])

    @classmethod
    def examples(cls) -> list[Radam]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1)]
