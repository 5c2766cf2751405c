"""AdamW."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Adamw(Optimizer):
    """Adam with decoupled weight decay, which the adaptive denominator does not scale.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← β₂ v + (1 − β₂) g²``; ``m̂ = m / (1 − β₁ᵗ)``; ``v̂ = v / (1 − β₂ᵗ)``;
              ``θ ← θ − lr (m̂ / (√v̂ + eps) + weight_decay θ)``
    Variant:  torch's: eps outside the root; lr scales the decay too, in the paper only its schedule does
    Source:   Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.01, at_least=0, search=(1e-6, 1e0))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        return (m / step["bias1"]).div_(square_root(v / step["bias2"]).add_(self.eps))

    @classmethod
    def examples(cls) -> list[Adamw]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adam  # looked up when needed; it may be disabled

        return [(cls(weight_decay=0.0), adam())]
