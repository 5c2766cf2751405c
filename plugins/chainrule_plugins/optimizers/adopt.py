"""ADOPT."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Adopt(Optimizer):
    """Adam with the gradient divided by the root of the last step's second moment before the mean is taken.

    Update:   ``v ← g²`` at t = 1, without a step; then ``z = clip(g / max(√v, eps), ±(t − 1)^¼)``;
              ``m ← β₁ m + (1 − β₁) z``; ``θ ← θ − lr (m + weight_decay θ)``; ``v ← β₂ v + (1 − β₂) g²``
    Variant:  the clipped form of the paper's later versions and of the authors' code; eps is a lower bound; no bias
              correction; decay is decoupled, and acts at t = 1 too
    Source:   Taniguchi et al. 2024, arXiv:2411.02853, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.9999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-6, above=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        return {"bound": (t - 1) ** 0.25, "first": float(t == 1)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        z = grad / square_root(state["v"]).clamp_min_(self.eps)
        z = z.clamp_min_(-step["bound"]).clamp_max_(step["bound"])  # within 0 at t = 1, when v is not known yet
        first = step["first"]
        state["v"].lerp_(grad * grad, first + (1 - first) * (1 - beta2))
        return state["m"].lerp_(z, 1 - beta1)

    @classmethod
    def examples(cls) -> list[Adopt]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)]
