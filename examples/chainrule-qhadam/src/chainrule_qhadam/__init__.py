"""The optimizer qhadam."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from torch import Tensor


class Qhadam(Optimizer):
    """Adam whose two running means are each averaged with what the current gradient alone gives.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← β₂ v + (1 − β₂) g²``; ``m̂ = m / (1 − β₁ᵗ)``; ``v̂ = v / (1 − β₂ᵗ)``;
              ``θ ← θ − lr (((1 − ν₁) g + ν₁ m̂) / (√((1 − ν₂) g² + ν₂ v̂) + eps) + weight_decay θ)``
    Variant:  with bias correction; eps outside the root; decoupled weight decay, by default none. The default nus and
              betas are those that the authors recommend; their code's are Adam's, with both nus 1
    Source:   Ma & Yarats 2018, arXiv:1810.06801, the update rule of QHAdam
    """

    decay_kind: ClassVar[Literal["decoupled"]] = "decoupled"

    lr: LearningRate = hyperparameter(default=1e-3, search=(1e-5, 1e-1))
    betas: tuple[float, float] = hyperparameter(default=(0.995, 0.999), at_least=0, below=1)
    nus: tuple[float, float] = hyperparameter(default=(0.7, 1.0), at_least=0, at_most=1)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        (beta1, beta2), (nu1, nu2) = self.betas, self.nus
        square = grad * grad
        m = state["m"].lerp_(grad, 1 - beta1)
        v = state["v"].lerp_(square, 1 - beta2)
        mean = torch.lerp(grad, m / step["bias1"], nu1)
        mean_square = torch.lerp(square, v / step["bias2"], nu2)
        return mean / (mean_square.sqrt() + self.eps)

    @classmethod
    def examples(cls) -> list[Qhadam]:
        return [cls(), cls(lr=0.01, betas=(0.9, 0.99), nus=(0.5, 0.8), weight_decay=0.1)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adam

        return [(cls(betas=(0.9, 0.999), nus=(1.0, 1.0)), adam())]
