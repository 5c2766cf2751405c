"""AdaMax."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter


class Adamax(Optimizer):
    """Adam with a decaying maximum of the gradient's magnitude in place of its root mean square.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``u ← max(β₂ u, |g| + eps)``;
              ``θ ← θ − lr (m / (1 − β₁ᵗ) / u + weight_decay θ)``
    Variant:  torch's: eps inside the maximum, the paper has none; decay is decoupled, torch couples it
    Source:   Kingma & Ba 2015, arXiv:1412.6980, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 2e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, above=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "u": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        return {"bias1": 1 - self.betas[0] ** t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        u = state["u"].copy_(torch.maximum(state["u"] * beta2, grad.abs().add_(self.eps)))
        return m / step["bias1"] / u

    @classmethod
    def examples(cls) -> list[Adamax]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1)]
