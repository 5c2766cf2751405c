"""Adam with D-Adaptation."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class DadaptAdam(Optimizer):
    """Adam at a step size d that grows with a lower bound on the distance from the start to the solution.

    Update:   with sums over the whole network, d at first d0:
              ``r ← √β₂ r + (1 − √β₂) lr d Σ g s / (√v + eps)``; ``s ← √β₂ s + (1 − √β₂) lr d g``;
              ``m ← β₁ m + (1 − β₁) lr d g``; ``v ← β₂ v + (1 − β₂) g²``;
              ``θ ← θ − m / (√v + eps) − lr d weight_decay θ``; then ``d ← max(d, r / ((1 − √β₂) Σ |s|))``
    Variant:  that of the authors' code from version 3 on: r by the v of the step before; no bias correction; decay as
              there if decoupled; d stays where all gradients are 0. lr is a factor, best left at 1, with a schedule; it
              enters m. Each parameter group has its own d
    Source:   Defazio & Mishchenko 2023, arXiv:2301.07733, "Adam with D-Adaptation"
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
        return numbers | {name: torch.zeros_like(parameter) for name in ("s", "m", "v")}

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        root, scaled = self.betas[1] ** 0.5, step.lr * state["d"] * grad
        product = (scaled * state["s"] / (square_root(state["v"]) + self.eps)).sum()
        r = state["r"].lerp_(product, 1 - root)
        s = state["s"].lerp_(scaled, 1 - root)
        return {"r": r, "s": (1 - root) * s.abs().sum()}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        beta1, beta2 = self.betas
        rate = step.lr * state["d"]
        m = state["m"].lerp_(rate * grad, 1 - beta1)
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        # While every gradient is 0, so are r and s; tiny makes the estimate 0 then, not 0 / 0.
        state["d"].copy_(state["d"].clamp(min=step["r"] / (step["s"] + torch.finfo(grad.dtype).tiny)))
        parameter.sub_(m / (square_root(v) + self.eps) + rate * self.weight_decay * parameter)

    @classmethod
    def examples(cls) -> list[DadaptAdam]:
        return [cls(), cls(betas=(0.8, 0.99), d0=1e-3, weight_decay=0.01)]
