"""Schedule-free AdamW."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, present
from chainrule.ops import square_root


class ScheduleFreeAdamw(Optimizer):
    """AdamW without momentum, by gradients taken between its steps and their running mean, which is evaluated.

    Update:   ``v ← β₂ v + (1 − β₂) g²``; ``d = g / (√(v / (1 − β₂ᵗ)) + eps) + weight_decay θ``; ``z ← z − lr d``;
              ``s ← s + lr²``; ``c = lr² / s``; ``x ← x + c (z − x)``; ``θ ← (1 − β₁) z + β₁ x``; x is evaluated
    Variant:  the authors' code, whose weights lr² take the largest lr so far; alike unless a schedule lowers lr. x is
              not kept, since it follows from θ and z. Warm up by a schedule; what is learned then counts little in x
    Source:   Defazio et al. 2024, arXiv:2405.15682, Algorithm 1
    """

    decay_kind = "other"

    lr: LearningRate = 2.5e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), above=0, below=1)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e0))

    def init(self, parameter: Tensor) -> State:
        s = torch.full_like(parameter, torch.finfo(parameter.dtype).tiny)  # above 0, so that c is 0 where lr is
        return {"z": parameter.clone(), "v": torch.zeros_like(parameter), "s": s}

    def scalars(self, t: int) -> dict[str, float]:
        return {"bias2": 1 - self.betas[1] ** t}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        (beta1, beta2), z, lr = self.betas, state["z"], step.lr
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        d = grad / square_root(v / step["bias2"]).add_(self.eps)
        if present(self.weight_decay):
            d.add_(self.weight_decay * parameter)
        move, c = lr * d, lr * lr / state["s"].add_(lr * lr)
        z.sub_(move)
        # Once both have moved by their own part of the step, x's new weight for z is θ's too.
        parameter.sub_((1 - beta1) * move).lerp_(z, c)

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return parameter + (1 / self.betas[0] - 1) * (parameter - state["z"])

    @classmethod
    def examples(cls) -> list[ScheduleFreeAdamw]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)]
