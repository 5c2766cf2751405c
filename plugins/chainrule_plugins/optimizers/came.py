"""CAME."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule_plugins.factored_means import over_factored_root


class Came(Optimizer):
    """Adafactor with momentum, whose step is smaller where the momentum and the update disagree.

    Update:   ``R ← β₂ R + (1 − β₂) mean_j (g² + ε₁)``; ``C ← β₂ C + (1 − β₂) mean_i (g² + ε₁)``;
              ``V = R Cᵀ / mean R``; ``u = g / √V``; ``u ← u / max(1, RMS(u) / clip_threshold)``;
              ``m ← β₁ m + (1 − β₁) u``; ``P ← β₃ P + (1 − β₃) mean_j ((u − m)² + ε₂)``;
              ``Q ← β₃ Q + (1 − β₃) mean_i ((u − m)² + ε₂)``; ``S = P Qᵀ / mean P``;
              ``θ ← θ − lr (m / √S + weight_decay θ)``; of a vector or scalar ``V ← β₂ V + (1 − β₂) (g² + ε₁)``, S = 1
    Variant:  eps = (ε₁, ε₂); no bias correction; as in the authors' code S = 1 where nothing is factored, of more than
              two axes the last two are factored, and decay is decoupled
    Source:   Luo et al. 2023, arXiv:2307.02047, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = hyperparameter(default=2e-4, search=(1e-6, 1e0))
    betas: tuple[float, float, float] = hyperparameter(default=(0.9, 0.999, 0.9999), at_least=0, below=1)
    clip_threshold: float = hyperparameter(default=1.0, above=0)
    eps: tuple[float, float] = hyperparameter(default=(1e-30, 1e-16), above=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e0))

    def init(self, parameter: Tensor) -> State:
        m, shape = torch.zeros_like(parameter), parameter.shape
        if parameter.dim() < 2:
            return {"m": m, "V": m.clone()}
        rows = {name: m.new_zeros(shape[:-1]) for name in ("R", "P")}
        return {"m": m, **rows, **{name: m.new_zeros(*shape[:-2], shape[-1]) for name in ("C", "Q")}}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2, beta3 = self.betas
        if parameter.dim() > 1:
            u = over_factored_root(grad, state["R"], state["C"], grad * grad, self.eps[0], 1 - beta2)
        else:
            u = grad / state["V"].lerp_(grad * grad + self.eps[0], 1 - beta2).sqrt()
        u.div_((u.norm() / math.sqrt(u.numel()) / self.clip_threshold).clamp_min(1))
        m = state["m"].lerp_(u, 1 - beta1)
        if parameter.dim() < 2:
            return m
        return over_factored_root(m, state["P"], state["Q"], u.sub_(m).square_(), self.eps[1], 1 - beta3)

    @classmethod
    def examples(cls) -> list[Came]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.9, 0.99), clip_threshold=0.5, weight_decay=0.1)]
