"""Shampoo."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter


class Shampoo(Optimizer):
    """Multiply the gradient along each of its axes by the inverse root of a sum of its products with itself.

    Update:   along each axis i of k, with Gᵢ the gradient unfolded to (size of axis i, rest): ``Hᵢ ← Hᵢ + Gᵢ Gᵢᵀ`` from
              ``Hᵢ = eps I``; at steps n, 2 n, …, where n is precondition_every, ``Pᵢ ← Hᵢ^(−1/(2k))``, and 0 before;
              ``d = g ×₁ P₁ … ×ₖ Pₖ``, for a matrix ``L^(−1/4) G R^(−1/4)``; ``b ← momentum b + d``;
              ``θ ← θ − lr (b + weight_decay θ)``
    Variant:  with momentum on what is preconditioned, none by default. Roots by the eigenvalues, which are at least
              eps. An axis of n elements takes two n × n matrices: leave embeddings to another rule by param_groups
    Source:   Gupta, Koren & Singer 2018, arXiv:1802.09568, Algorithms 1 and 2
    """

    ranks = (1, 2, 3, 4, 5)
    decay_kind = "decoupled"

    lr: LearningRate = hyperparameter(default=0.1, search=(1e-3, 1e1))
    momentum: float = hyperparameter(default=0.0, at_least=0, below=1, search=(0.0, 0.99))
    eps: float = hyperparameter(default=1e-4, above=0, search=(1e-6, 1e-1))
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e0))
    precondition_every: int = hyperparameter(default=1, at_least=1)

    def init(self, parameter: Tensor) -> State:
        state = {"b": torch.zeros_like(parameter)}
        for i, size in enumerate(parameter.shape, start=1):
            eye = torch.eye(size, dtype=parameter.dtype, device=parameter.device)
            state |= {f"H{i}": self.eps * eye, f"P{i}": torch.zeros_like(eye)}
        return state

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        order, d = grad.dim(), grad
        for i, size in enumerate(grad.shape, start=1):
            unfolded = grad.movedim(i - 1, 0).reshape(size, -1)
            h, p = state[f"H{i}"], state[f"P{i}"]
            h.add_(unfolded @ unfolded.mT)
            if step.every(self.precondition_every):
                p.copy_(self._inverse_root(h, 2 * order))
            d = torch.tensordot(d, p, dims=([0], [0]))  # which moves the axis behind the others
        return state["b"].mul_(self.momentum).add_(d)

    def _inverse_root(self, h: Tensor, order: int) -> Tensor:
        """Return ``h^(−1 / order)``."""
        values, vectors = torch.linalg.eigh(h.nan_to_num(0.0, 0.0, 0.0))  # which refuses NaN, for all members
        root: Tensor = (vectors * values.clamp_min(self.eps).pow(-1 / order)) @ vectors.mT
        return root

    @classmethod
    def examples(cls) -> list[Shampoo]:
        return [cls(), cls(lr=0.01, momentum=0.5, eps=1.0, weight_decay=0.1, precondition_every=2)]
