"""Adan."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Adan(Optimizer):
    """Adaptive Nesterov momentum, estimated by the differences of successive gradients.

    Update:   ``δ = g − h``, 0 at t = 1, and ``h ← g``; ``m ← β₁ m + (1 − β₁) g``;
              ``v ← β₂ v + (1 − β₂) δ``; ``n ← β₃ n + (1 − β₃) (g + β₂ δ)²``; ``m̂, v̂, n̂ = m, v, n / (1 − βᵢᵗ)``;
              ``θ ← θ − lr ((m̂ + β₂ v̂) / (√n̂ + eps) + weight_decay θ)``
    Variant:  the authors' code, with bias correction and βᵢ the share that is kept, 1 − βᵢ in the paper: its factor
              1 − β₂ of δ and v is β₂ here, where optax has 1 − β₂; decay is decoupled, the paper divides by
              1 + lr weight_decay
    Source:   Xie et al. 2022, arXiv:2208.06677, Algorithm 1
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    betas: tuple[float, float, float] = hyperparameter(default=(0.98, 0.92, 0.99), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {name: torch.zeros_like(parameter) for name in ("m", "v", "n", "h")}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2, beta3 = self.betas
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t, "bias3": 1 - beta3**t, "later": float(t > 1)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2, beta3 = self.betas
        delta = (grad - state["h"]) * step["later"]
        state["h"].copy_(grad)
        m = state["m"].lerp_(grad, 1 - beta1)
        v = state["v"].lerp_(delta, 1 - beta2)
        n = state["n"].lerp_((grad + beta2 * delta).square_(), 1 - beta3)
        direction = m / step["bias1"] + beta2 * (v / step["bias2"])
        return direction.div_(square_root(n / step["bias3"]).add_(self.eps))

    @classmethod
    def examples(cls) -> list[Adan]:
        return [cls(), cls(lr=0.01, betas=(0.9, 0.8, 0.95), eps=1e-6, weight_decay=0.1)]
