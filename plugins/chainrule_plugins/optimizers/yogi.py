"""Yogi."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Yogi(Optimizer):
    """Adam whose second moment changes by additions of the squared gradient's size, so that it cannot fall quickly.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← v − (1 − β₂) sign(v − g²) g²``;
              ``θ ← θ − lr (m / (√v + eps) + weight_decay θ)``
    Variant:  the paper's, without bias correction (optax corrects); m from 0, v from initial_accumulator; decay is
              decoupled
    Source:   Zaheer et al. 2018, "Adaptive methods for nonconvex optimization", Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-2
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    initial_accumulator: float = hyperparameter(default=1e-6, at_least=0)
    eps: float = hyperparameter(default=1e-3, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter) + self.initial_accumulator}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        square = grad * grad
        v = state["v"].sub_((state["v"] - square).sign_() * square * (1 - beta2))
        return m / square_root(v).add_(self.eps)

    @classmethod
    def examples(cls) -> list[Yogi]:
        return [cls(), cls(betas=(0.8, 0.5), initial_accumulator=0.1, eps=1e-6, weight_decay=0.1)]
