"""LAMB."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import vector_norm

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, present
from chainrule.ops import square_root


class Lamb(Optimizer):
    """Take Adam's direction with weight decay in it, at a length in proportion to each parameter's norm.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← β₂ v + (1 − β₂) g²``; ``m̂ = m / (1 − β₁ᵗ)``; ``v̂ = v / (1 − β₂ᵗ)``;
              ``r = m̂ / (√v̂ + eps) + weight_decay θ``; ``θ ← θ − lr ‖θ‖ / ‖r‖ r``
    Variant:  with bias correction; the paper's φ is the identity; a ratio of 1 where a norm is 0. Every parameter is
              scaled: leave biases to another rule by param_groups
    Source:   You et al. 2020, arXiv:1904.00962, Algorithm 2
    """

    decay_kind = "other"

    lr: LearningRate = hyperparameter(default=1e-3, search=(1e-5, 1e0))
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-6, at_least=0)
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
        r = (m / step["bias1"]).div_(square_root(v / step["bias2"]).add_(self.eps))
        if present(self.weight_decay):
            r.add_(self.weight_decay * parameter)
        length, own = vector_norm(parameter), vector_norm(r)
        return r.mul_((length / own).masked_fill(torch.minimum(length, own).logical_not(), 1.0))

    @classmethod
    def examples(cls) -> list[Lamb]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.1)]
