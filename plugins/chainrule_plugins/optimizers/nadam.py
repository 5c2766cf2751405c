"""NAdam."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Nadam(Optimizer):
    """Adam with Nesterov momentum, whose coefficient grows towards β₁.

    Update:   ``μₜ = β₁ (1 − ½ · 0.96^(t momentum_decay))``, ``Πₜ = μ₁ ⋯ μₜ``; ``m ← β₁ m + (1 − β₁) g``;
              ``v ← β₂ v + (1 − β₂) g²``; ``m̄ = (1 − μₜ) / (1 − Πₜ) g + μₜ₊₁ / (1 − Πₜ₊₁) m``;
              ``θ ← θ − lr (m̄ / (√(v / (1 − β₂ᵗ)) + eps) + weight_decay θ)``
    Variant:  torch's: m decays by β₁, in the paper by μₜ; eps outside the root; decay is decoupled, as torch's is with
              decoupled_weight_decay=True
    Source:   Dozat 2016, "Incorporating Nesterov momentum into Adam", Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 2e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    momentum_decay: float = hyperparameter(default=4e-3, at_least=0)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        now, following = (_mu(beta1, self.momentum_decay, s) for s in (t, t + 1))
        products = _products(beta1, self.momentum_decay)
        product = products[min(t, len(products) - 1)]
        scalars = {"g": (1 - now) / (1 - product), "m": following / (1 - product * following)}
        return {**scalars, "bias2": 1 - beta2**t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        return (step["g"] * grad + step["m"] * m).div_(square_root(v / step["bias2"]).add_(self.eps))

    @classmethod
    def examples(cls) -> list[Nadam]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99), momentum_decay=0.1, weight_decay=0.1)]


def _mu(beta1: float, decay: float, t: int) -> float:
    return beta1 * (1 - 0.5 * math.pow(0.96, t * decay))


@lru_cache(maxsize=256)
def _products(beta1: float, decay: float) -> tuple[float, ...]:
    """Return Π₀ = 1, Π₁, Π₂, … up to the first that vanishes beside 1, as all that follow do."""
    products = [1.0]
    while products[-1] > 1e-17:
        products.append(products[-1] * _mu(beta1, decay, len(products)))
    return tuple(products)
