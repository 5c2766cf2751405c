"""Adam."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Adam(Optimizer):
    """Adaptive moments: the bias-corrected mean gradient over the root of its bias-corrected mean square.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← β₂ v + (1 − β₂) g²``; ``m̂ = m / (1 − β₁ᵗ)``; ``v̂ = v / (1 − β₂ᵗ)``;
              ``θ ← θ − lr m̂ / (√v̂ + eps)``
    Variant:  eps outside the root, after the correction; no weight decay
    Source:   Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1; paper eqs. (8) to (11), where (11) prints √m̂ for m̂
    """

    lr: LearningRate = 1e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, at_least=0)

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
    def examples(cls) -> list[Adam]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99), eps=1e-6)]
