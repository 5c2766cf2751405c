"""The optimizer prodigy."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from torch import Tensor


class Prodigy(Optimizer):
    """Run Adam with a step size d that grows to the estimated distance from the start to the solution.

    Update:   with sums over the whole network, and ``β₃ = √β₂``:
              ``m ← β₁ m + (1 − β₁) d g``; ``v ← β₂ v + (1 − β₂) d² g²``;
              ``r ← β₃ r + (1 − β₃) lr d² Σ g (θ₀ − θ)``; ``s ← β₃ s + (1 − β₃) lr d² g``;
              ``θ ← θ − lr d (m / (√v + d eps) + weight_decay θ)``; then ``d ← max(d, r / Σ |s|)``
    Variant:  Algorithm 4 as printed: no bias correction, and θ moves by the previous d; decoupled weight decay added, as
              in the authors' code. lr is a factor on the estimate, best left at 1, with a cosine schedule. Each
              parameter group estimates its own d
    Source:   Mishchenko & Defazio 2023, arXiv:2306.06101, Algorithm 4
    """

    decay_kind: ClassVar[Literal["other"]] = "other"  # decoupled, but also proportional to d

    lr: LearningRate = hyperparameter(default=1.0, at_least=0, search=(0.1, 10.0))
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, above=0)
    d0: float = hyperparameter(default=1e-6, above=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        # r and d belong to the network: d is the same in every parameter, and r is summed over them.
        numbers = {"r": parameter.new_zeros(()), "d": parameter.new_full((), self.d0)}
        return numbers | {"start": parameter.clone()} | {name: torch.zeros_like(parameter) for name in ("m", "v", "s")}

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        beta3 = self.betas[1] ** 0.5
        weight = (1 - beta3) * step.lr * state["d"] ** 2
        r = state["r"].mul_(beta3).add_(weight * (grad * (state["start"] - parameter)).sum())
        s = state["s"].mul_(beta3).add_(weight * grad)
        return {"r": r, "s": s.abs().sum()}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        d = state["d"].clone()
        m = state["m"].mul_(beta1).add_((1 - beta1) * d * grad)
        v = state["v"].mul_(beta2).add_((1 - beta2) * (d * grad) ** 2)
        # While every gradient is 0, so are r and s; tiny makes the estimate 0 then, not 0 / 0.
        state["d"].copy_(d.clamp(min=step["r"] / (step["s"] + torch.finfo(d.dtype).tiny)))
        return d * (m / (v.sqrt() + d * self.eps) + self.weight_decay * parameter)

    @classmethod
    def examples(cls) -> list[Prodigy]:
        return [cls(), cls(betas=(0.8, 0.99), d0=1e-3, weight_decay=0.01)]
