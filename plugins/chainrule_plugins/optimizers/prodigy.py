"""Prodigy."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Prodigy(Optimizer):
    """Adam at a step size d that grows to the estimated distance from the start to the solution.

    Update:   with sums over the whole network and ``β₃ = √β₂``, d at first d0:
              ``m ← β₁ m + (1 − β₁) d g``; ``v ← β₂ v + (1 − β₂) d² g²``;
              ``r ← β₃ r + (1 − β₃) lr d² Σ g (θ₀ − θ)``; ``s ← β₃ s + (1 − β₃) lr d² g``;
              ``θ ← θ − lr d (m / (√v + d eps) + weight_decay θ)``; then ``d ← max(d, r / Σ |s|)``
    Variant:  without bias correction; θ moves by the previous d, as does eps, which the authors' code scales by the new
              one. From that code are the decay, decoupled, and that d stays where all gradients are 0. lr is a factor,
              best left at 1, with a cosine schedule. Each parameter group has its own d
    Source:   Mishchenko & Defazio 2023, arXiv:2306.06101, Algorithm 4
    """

    decay_kind = "other"  # decoupled, but in proportion to d too

    lr: LearningRate = hyperparameter(default=1.0, search=(0.1, 10.0))
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    d0: float = hyperparameter(default=1e-6, above=0, search=(1e-8, 1e-3))
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        # d is the network's, the same in every parameter; r holds the terms of this one.
        numbers = {"r": parameter.new_zeros(()), "d": parameter.new_zeros(()) + self.d0}
        return numbers | {"start": parameter.clone()} | {name: torch.zeros_like(parameter) for name in ("m", "v", "s")}

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        beta3, weight = self.betas[1] ** 0.5, step.lr * state["d"] ** 2
        r = state["r"].lerp_(weight * (grad * (state["start"] - parameter)).sum(), 1 - beta3)
        s = state["s"].lerp_(weight * grad, 1 - beta3)
        return {"r": r, "s": s.abs().sum()}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        d = state["d"].clone()
        scaled = d * grad
        m = state["m"].lerp_(scaled, 1 - beta1)
        v = state["v"].lerp_(scaled * scaled, 1 - beta2)
        # While every gradient is 0, so are r and s; tiny makes the estimate 0 then, not 0 / 0.
        state["d"].copy_(d.clamp(min=step["r"] / (step["s"] + torch.finfo(d.dtype).tiny)))
        return d * (m / (square_root(v) + d * self.eps) + self.weight_decay * parameter)

    @classmethod
    def examples(cls) -> list[Prodigy]:
        return [cls(), cls(betas=(0.8, 0.99), d0=1e-3, weight_decay=0.01)]
