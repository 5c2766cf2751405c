"""MARS."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Mars(Optimizer):
    """AdamW on gradients whose variance is reduced by their differences from the last step's.

    Update:   ``δ = g − h``, 0 at t = 1, and ``h ← g``; ``c = g + gamma β₁ / (1 − β₁) δ``;
              ``c ← c / max(1, ‖c‖)``; ``m ← β₁ m + (1 − β₁) c``; ``v ← β₂ v + (1 − β₂) c²``; ``m̂ = m / (1 − β₁ᵗ)``;
              ``v̂ = v / (1 − β₂ᵗ)``; ``θ ← θ − lr (m̂ / (√v̂ + eps) + weight_decay θ)``
    Variant:  MARS-approx in its AdamW form: δ of the gradients as they came, each on its own batch; the norm is that of
              one parameter. The authors leave vectors to adamw: see param_groups
    Source:   Yuan et al. 2024, arXiv:2411.10438, MARS-AdamW
    """

    decay_kind = "decoupled"

    lr: LearningRate = 3e-3
    betas: tuple[float, float] = hyperparameter(default=(0.95, 0.99), at_least=0, below=1)
    gamma: float = hyperparameter(default=0.025, at_least=0, search=(1e-3, 1e0))
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {name: torch.zeros_like(parameter) for name in ("m", "v", "h")}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t, "later": float(t > 1)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        c = grad + (grad - state["h"]) * (self.gamma * beta1 / (1 - beta1) * step["later"])
        c = c / c.norm().clamp_min(1)
        state["h"].copy_(grad)
        m = state["m"].lerp_(c, 1 - beta1)
        v = state["v"].lerp_(c * c, 1 - beta2)
        return (m / step["bias1"]).div_(square_root(v / step["bias2"]).add_(self.eps))

    @classmethod
    def examples(cls) -> list[Mars]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99), gamma=0.1, eps=1e-6, weight_decay=0.1)]
