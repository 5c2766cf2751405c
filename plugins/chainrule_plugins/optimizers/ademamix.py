"""AdEMAMix."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Ademamix(Optimizer):
    """Adam with a second running mean of the gradient, which remembers thousands of steps.

    Update:   ``m₁ ← β₁ m₁ + (1 − β₁) g``; ``m₂ ← β₃(t) m₂ + (1 − β₃(t)) g``; ``v ← β₂ v + (1 − β₂) g²``;
              ``m̂₁ = m₁ / (1 − β₁ᵗ)``; ``v̂ = v / (1 − β₂ᵗ)``;
              ``θ ← θ − lr ((m̂₁ + α(t) m₂) / (√v̂ + eps) + weight_decay θ)``
    Variant:  m₂ without bias correction; eps outside the root; decay is decoupled. Over alpha_warmup steps α(t) grows
              linearly from 0; over beta3_warmup the half-life of β₃(t) does, from that of β₁; 0 warms up nothing, the
              paper over all steps. The authors' code adds 1e-8 to β₁ and β₃ where it takes their logarithms
    Source:   Pagliardini, Ablin & Grangier 2024, arXiv:2409.03137, Algorithm 1
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    betas: tuple[float, float, float] = hyperparameter(default=(0.9, 0.999, 0.9999), at_least=0, below=1)
    alpha: float = hyperparameter(default=5.0, at_least=0, search=(1.0, 10.0))
    alpha_warmup: int = hyperparameter(default=0, at_least=0)
    beta3_warmup: int = hyperparameter(default=0, at_least=0)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e0))

    def init(self, parameter: Tensor) -> State:
        return {name: torch.zeros_like(parameter) for name in ("m1", "m2", "v")}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2, beta3 = self.betas
        if t < self.beta3_warmup:
            done, first, last = t / self.beta3_warmup, _half_life(beta1), _half_life(beta3)
            beta3 = _decay((1 - done) * first + done * last)
        alpha = self.alpha * min(t / self.alpha_warmup, 1.0) if self.alpha_warmup else self.alpha
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t, "new3": 1 - beta3, "alpha": alpha}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2, _ = self.betas
        m1 = state["m1"].lerp_(grad, 1 - beta1)
        m2 = state["m2"].lerp_(grad, step["new3"])
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        return (m1 / step["bias1"] + step["alpha"] * m2).div_(square_root(v / step["bias2"]).add_(self.eps))

    @classmethod
    def examples(cls) -> list[Ademamix]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99, 0.995), alpha_warmup=20, beta3_warmup=30, weight_decay=0.1)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adamw  # looked up when needed; it may be disabled

        return [(cls(alpha=0.0, weight_decay=0.01), adamw())]


def _half_life(beta: float) -> float:
    """Return the number of steps in which a gradient's weight in a running mean halves."""
    return math.log(0.5) / math.log(beta) if beta else 0.0


def _decay(half_life: float) -> float:
    """Return the β of a running mean with this half-life."""
    return 0.5 ** (1 / half_life) if half_life else 0.0
