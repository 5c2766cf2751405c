"""The optimizer ademamix."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from torch import Tensor


class Ademamix(Optimizer):
    """Mix two running means of the gradient, a fast one and one with a memory of thousands of steps.

    Update:   ``m₁ ← β₁ m₁ + (1 − β₁) g``; ``m₂ ← β₃(t) m₂ + (1 − β₃(t)) g``; ``v ← β₂ v + (1 − β₂) g²``;
              ``m̂₁ = m₁ / (1 − β₁ᵗ)``; ``v̂ = v / (1 − β₂ᵗ)``;
              ``θ ← θ − lr ((m̂₁ + α(t) m₂) / (√v̂ + eps) + weight_decay θ)``
    Variant:  no bias correction of m₂; decoupled weight decay; α(t) grows in proportion to t over alpha_warmup steps, and
              the half-life of β₃(t) grows linearly from the half-life of β₁ to the half-life of β₃ over beta3_warmup
              steps; 0 disables a warm-up. The paper warms up over the whole of training
    Source:   Pagliardini, Ablin & Grangier 2024, arXiv:2409.03137, Algorithm 1 and the schedulers of its section 3
    """

    decay_kind: ClassVar[Literal["decoupled"]] = "decoupled"

    lr: LearningRate = hyperparameter(default=1e-3, at_least=0, search=(1e-5, 1e-1))
    betas: tuple[float, float, float] = hyperparameter(default=(0.9, 0.999, 0.9999), at_least=0, below=1)
    alpha: float = hyperparameter(default=5.0, at_least=0, search=(1.0, 10.0))
    alpha_warmup: int = hyperparameter(default=0, at_least=0)
    beta3_warmup: int = hyperparameter(default=0, at_least=0)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {name: torch.zeros_like(parameter) for name in ("m1", "m2", "v")}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2, beta3 = self.betas
        if t < self.beta3_warmup:
            first, last = half_life(beta1), half_life(beta3)
            beta3 = decay_of(first + (last - first) * t / self.beta3_warmup)
        alpha = self.alpha * min(t / self.alpha_warmup, 1.0) if self.alpha_warmup else self.alpha
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t, "beta3": beta3, "alpha": alpha}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2, _ = self.betas
        m1 = state["m1"].lerp_(grad, 1 - beta1)
        m2 = state["m2"].mul_(step["beta3"]).add_((1 - step["beta3"]) * grad)
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        return (m1 / step["bias1"] + step["alpha"] * m2) / ((v / step["bias2"]).sqrt() + self.eps)

    @classmethod
    def examples(cls) -> list[Ademamix]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99, 0.995), alpha_warmup=20, beta3_warmup=30, weight_decay=0.1)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adam

        return [(cls(alpha=0.0), adam())]


def half_life(beta: float) -> float:
    """Return the number of steps after which a gradient's weight in a running mean with this decay has halved."""
    return math.log(0.5) / math.log(beta) if beta else 0.0


def decay_of(steps: float) -> float:
    """Return the decay of a running mean with this half-life."""
    return 0.5 ** (1 / steps) if steps else 0.0
