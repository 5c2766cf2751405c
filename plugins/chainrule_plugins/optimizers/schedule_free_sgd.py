"""Schedule-free stochastic gradient descent."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, present


class ScheduleFreeSgd(Optimizer):
    """Descend by gradients taken between the steps and their running mean, which is evaluated.

    Update:   ``g ← g + weight_decay θ``; ``z ← z − lr g``; ``s ← s + lr²``; ``c = lr² / s``; ``x ← x + c (z − x)``;
              ``θ ← (1 − momentum) z + momentum x``; x is evaluated
    Variant:  the authors' code, whose weights lr² take the largest lr so far; alike unless a schedule lowers lr. x is
              not kept, since it follows from θ and z. Warm up by a schedule; what is learned then counts little in x.
              Decay is coupled
    Source:   Defazio et al. 2024, arXiv:2405.15682, Schedule-Free SGD, with c and the decay at θ as in Algorithm 1
    """

    decay_kind = "coupled"

    lr: LearningRate = hyperparameter(default=1.0, search=(1e-3, 1e1))
    momentum: float = hyperparameter(default=0.9, above=0, below=1, search=(0.5, 0.99))
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        s = torch.full_like(parameter, torch.finfo(parameter.dtype).tiny)  # above 0, so that c is 0 where lr is
        return {"z": parameter.clone(), "s": s}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        z, lr = state["z"], step.lr
        if present(self.weight_decay):
            grad = grad + self.weight_decay * parameter
        move, c = lr * grad, lr * lr / state["s"].add_(lr * lr)
        z.sub_(move)
        # Once both have moved by their own part of the step, x's new weight for z is θ's too.
        parameter.sub_((1 - self.momentum) * move).lerp_(z, c)

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return parameter + (1 / self.momentum - 1) * (parameter - state["z"])

    @classmethod
    def examples(cls) -> list[ScheduleFreeSgd]:
        return [cls(), cls(lr=0.1, momentum=0.5, weight_decay=0.1)]
