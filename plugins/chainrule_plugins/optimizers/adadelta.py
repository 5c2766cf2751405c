"""Adadelta."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter


class Adadelta(Optimizer):
    """Scale each element by its root mean square update over its root mean square gradient.

    Update:   ``v ← rho v + (1 − rho) g²``; ``d = √(u + eps) / √(v + eps) · g``; ``u ← rho u + (1 − rho) d²``;
              ``θ ← θ − lr (d + weight_decay θ)``
    Variant:  Zeiler's: lr 1, rho 0.95 (torch's default is 0.9), u and v from 0, eps inside both roots; decay is
              decoupled, torch couples it
    Source:   Zeiler 2012, arXiv:1212.5701, Algorithm 1
    """

    decay_kind = "decoupled"

    lr: LearningRate = hyperparameter(default=1.0, search=(1e-2, 1e2))
    rho: float = hyperparameter(default=0.95, at_least=0, below=1)
    eps: float = hyperparameter(default=1e-6, above=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"v": torch.zeros_like(parameter), "u": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        v = state["v"].lerp_(grad * grad, 1 - self.rho)
        direction = ((state["u"] + self.eps) / (v + self.eps)).sqrt_().mul_(grad)
        state["u"].lerp_(direction * direction, 1 - self.rho)
        return direction

    @classmethod
    def examples(cls) -> list[Adadelta]:
        return [cls(), cls(lr=0.5, rho=0.9, weight_decay=0.01)]
