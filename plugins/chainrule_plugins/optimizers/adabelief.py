"""AdaBelief."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter


class Adabelief(Optimizer):
    """Adam with the gradient's mean square deviation from its running mean in place of its mean square.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``s ← β₂ s + (1 − β₂) (g − m)² + eps``; ``m̂ = m / (1 − β₁ᵗ)``;
              ``ŝ = s / (1 − β₂ᵗ)``; ``θ ← θ − lr (m̂ / (√ŝ + eps) + weight_decay θ)``
    Variant:  the paper's: eps is added to s at each step, and to the root; decay is decoupled
    Source:   Zhuang et al. 2020, arXiv:2010.07468, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-16, above=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "s": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        deviation = grad - m
        s = state["s"].lerp_(deviation * deviation, 1 - beta2).add_(self.eps)
        return (m / step["bias1"]).div_((s / step["bias2"]).sqrt_().add_(self.eps))

    @classmethod
    def examples(cls) -> list[Adabelief]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99), eps=1e-8, weight_decay=0.1)]
