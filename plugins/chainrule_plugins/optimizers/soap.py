"""SOAP."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root

ONCE = 2**62
"""More steps than any run takes, so that every(ONCE, 1) is the first step alone."""


class Soap(Optimizer):
    """Run Adam in the eigenbasis of Shampoo's matrices, which turns slowly.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← β₂ v + (1 − β₂) (Qₗᵀ g Qᵣ)²``; ``d = Qₗᵀ m Qᵣ / (√v + eps)``;
              ``θ ← θ − lr (√(1 − β₂ˢ) / (1 − β₁ˢ) Qₗ d Qᵣᵀ + weight_decay θ)`` with ``s = t − 1``; and then
              ``L ← β₂ L + (1 − β₂) g gᵀ``, ``R ← β₂ R + (1 − β₂) gᵀ g``; at steps n + 1, 2 n + 1, …, where n is
              precondition_every, ``Qₗ ← qr(L Qₗ)``, ``Qᵣ ← qr(R Qᵣ)``, one power iteration
    Variant:  as in the authors' code, the first step sets L, R and Q alone, Qₗ and Qᵣ to the singular vectors of g, the
              largest first (beyond its rank, to what the reflections that make these of unit vectors make of the rest),
              and eps stands outside the root; unlike there, decay acts at t = 1 too, and the columns of Q keep their
              order, as in the paper. Where L or R lacks full rank at a renewal, rounding decides the columns of Q
              beyond its rank. Vectors, and sides longer than max_side, are not rotated. A kernel is a matrix (out,
              rest)
    Source:   Vyas et al. 2024, arXiv:2409.11321, Algorithms 3 and 4
    """

    decay_kind = "decoupled"

    lr: LearningRate = 3e-3
    betas: tuple[float, float] = hyperparameter(default=(0.95, 0.95), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, above=0)
    weight_decay: float = hyperparameter(default=0.01, at_least=0, search=(1e-6, 1e0))
    precondition_every: int = hyperparameter(default=10, at_least=1)
    max_side: int = hyperparameter(default=10_000, at_least=1)

    def init(self, parameter: Tensor) -> State:
        matrix = parameter.flatten(1) if parameter.dim() > 1 else parameter
        state = {"m": torch.zeros_like(matrix), "v": torch.zeros_like(matrix)}
        for side, size in zip("LR", matrix.shape, strict=False):
            if matrix.dim() > 1 and size <= self.max_side:
                state |= {name: matrix.new_zeros(size, size) for name in (side, f"Q{side}")}
        return state

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        taken = max(t - 1, 1)
        return {"correction": (1 - beta2**taken) ** 0.5 / (1 - beta1**taken)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        g = grad.flatten(1) if grad.dim() > 1 else grad
        is_first = step.every(ONCE, 1)
        if is_first:
            direction = torch.zeros_like(grad)
        else:
            m = state["m"].lerp_(g, 1 - beta1)
            v = state["v"].lerp_(_rotated(g, state).square(), 1 - beta2)
            d = _rotated(m, state) / square_root(v).add_(self.eps)
            direction = (step["correction"] * _rotated_back(d, state)).reshape(grad.shape)
        for side in ("L", "R"):
            if side in state:
                x, basis = g if side == "L" else g.mT, state[f"Q{side}"]
                h = state[side].lerp_(x @ x.mT, 1 - beta2)
                if is_first:
                    basis.copy_(_singular_vectors(x))
                elif step.every(self.precondition_every, 1):
                    basis.copy_(torch.linalg.qr(h @ basis)[0])
        return direction

    @classmethod
    def examples(cls) -> list[Soap]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, precondition_every=3)]


def _rotated(x: Tensor, state: State) -> Tensor:
    """Return ``Qₗᵀ x Qᵣ``, without the sides that are not rotated."""
    x = state["QL"].mT @ x if "QL" in state else x
    return x @ state["QR"] if "QR" in state else x


def _rotated_back(x: Tensor, state: State) -> Tensor:
    """Return ``Qₗ x Qᵣᵀ``."""
    x = state["QL"] @ x if "QL" in state else x
    return x @ state["QR"].mT if "QR" in state else x


def _singular_vectors(x: Tensor) -> Tensor:
    """Return the left singular vectors of values above rounding, completed to a basis that rounding does not decide."""
    vectors, values, _ = torch.linalg.svd(
        x.nan_to_num(0.0, 0.0, 0.0), full_matrices=False
    )  # it refuses NaN, for all members
    least = max(x.shape) * torch.finfo(x.dtype).eps * values[:1]
    rest = x.new_zeros(len(x), len(x) - vectors.shape[1])  # a column of zeros adds no reflection
    basis: Tensor = torch.linalg.qr(torch.cat([vectors * (values > least), rest], 1))[0]
    return basis
