"""Adafactor."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, present
from chainrule_plugins.factored_means import over_factored_root


class Adafactor(Optimizer):
    """Divide by the root of a mean square of which a matrix keeps one number per row and per column.

    Update:   ``β₂ = 1 − t^−decay_rate``; ``R ← β₂ R + (1 − β₂) mean_j (g² + ε₁)``;
              ``C ← β₂ C + (1 − β₂) mean_i (g² + ε₁)``; ``V = R Cᵀ / mean R``, of a vector or scalar
              ``V ← β₂ V + (1 − β₂) (g² + ε₁)``; ``u = g / √V``; ``u ← u / max(1, RMS(u) / clip_threshold)``;
              ``m ← momentum m + (1 − momentum) u``; ``α = max(ε₂, RMS(θ)) min(lr, 1 / √t)``, with
              relative_step=False ``α = lr``; ``θ ← θ − α m − lr weight_decay θ``
    Variant:  eps = (ε₁, ε₂), of which torch's ε₁ is a lower bound; of more than two axes the last two are factored;
              momentum, off by default, averages u, in the authors' code α u; decay is decoupled, as torch's. The
              paper's warm-up ``min(10⁻⁶ t, 1 / √t)`` is a schedule that raises lr linearly
    Source:   Shazeer & Stern 2018, arXiv:1804.04235, Algorithms 4 to 6
    """

    decay_kind = "decoupled"

    lr: LearningRate = hyperparameter(default=1e-2, search=(1e-4, 1e0))
    momentum: float = hyperparameter(default=0.0, at_least=0, below=1, search=(0.0, 0.99))
    decay_rate: float = hyperparameter(default=0.8, at_least=0)
    clip_threshold: float = hyperparameter(default=1.0, above=0)
    relative_step: bool = True
    eps: tuple[float, float] = hyperparameter(default=(1e-30, 1e-3), above=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e0))

    def init(self, parameter: Tensor) -> State:
        shape = parameter.shape
        state = {"V": torch.zeros_like(parameter)}
        if parameter.dim() > 1:
            state = {"R": parameter.new_zeros(shape[:-1]), "C": parameter.new_zeros(*shape[:-2], shape[-1])}
        return state | ({"m": torch.zeros_like(parameter)} if present(self.momentum) else {})

    def scalars(self, t: int) -> dict[str, float]:
        return {"new": t**-self.decay_rate, "root": t**0.5}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        if parameter.dim() > 1:
            u = over_factored_root(grad, state["R"], state["C"], grad * grad, self.eps[0], step["new"])
        else:
            u = grad / state["V"].lerp_(grad * grad + self.eps[0], step["new"]).sqrt()
        u.div_((_rms(u) / self.clip_threshold).clamp_min(1))
        if present(self.momentum):
            u = state["m"].lerp_(u, 1 - self.momentum)
        if not self.relative_step:
            return u
        size = _rms(parameter).clamp_min(self.eps[1])
        return u * torch.minimum(size, size / (step.lr * step["root"]))

    @classmethod
    def examples(cls) -> list[Adafactor]:
        return [cls(), cls(lr=0.1, momentum=0.9, clip_threshold=0.5, relative_step=False, weight_decay=0.1)]


def _rms(x: Tensor) -> Tensor:
    length: Tensor = x.norm()
    return length / math.sqrt(x.numel())
