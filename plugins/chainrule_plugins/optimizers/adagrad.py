"""Adagrad."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, present
from chainrule.ops import square_root


class Adagrad(Optimizer):
    """Divide each element of the gradient by the root of the sum of its squares so far.

    Update:   ``s ← s + g²``; ``d = g / (√s + eps) / (1 + (t − 1) lr_decay)``; ``θ ← θ − lr (d + weight_decay θ)``
    Variant:  torch's: eps outside the root, s from 0 (optax starts at 0.1); decay is decoupled, torch couples it
    Source:   Duchi, Hazan & Singer 2011; Goodfellow et al. 2016, Algorithm 8.4
    """

    decay_kind = "decoupled"

    lr: LearningRate = hyperparameter(default=1e-2, search=(1e-4, 1e1))
    lr_decay: float = hyperparameter(default=0.0, at_least=0)
    initial_accumulator: float = hyperparameter(default=0.0, at_least=0)
    eps: float = hyperparameter(default=1e-10, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"s": torch.zeros_like(parameter) + self.initial_accumulator}

    def scalars(self, t: int) -> dict[str, float]:
        return {"decay": 1 + (t - 1) * self.lr_decay}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        s = state["s"].addcmul_(grad, grad)
        direction = grad / square_root(s).add_(self.eps)
        return direction / step["decay"] if present(self.lr_decay) else direction

    @classmethod
    def examples(cls) -> list[Adagrad]:
        return [cls(), cls(lr_decay=0.1, initial_accumulator=0.1, weight_decay=0.01)]
