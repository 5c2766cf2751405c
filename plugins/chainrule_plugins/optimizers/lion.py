"""Lion."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule_plugins.signs import sign


class Lion(Optimizer):
    """Step by the sign of a momentum that weighs the current gradient more than it will be remembered.

    Update:   ``d = sign(β₁ m + (1 − β₁) g)``; ``m ← β₂ m + (1 − β₂) g``; ``θ ← θ − lr (d + weight_decay θ)``
    Variant:  m starts at 0; d is 0 where its argument is; decay is decoupled. The authors advise a lr 3 to 10 times
              smaller than Adam's, and a weight_decay as much larger
    Source:   Chen et al. 2023, arXiv:2302.06675, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-4
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.99), at_least=0, below=1)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e0))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        direction = sign(torch.lerp(state["m"], grad, 1 - beta1))
        state["m"].lerp_(grad, 1 - beta2)
        return direction

    @classmethod
    def examples(cls) -> list[Lion]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.95), weight_decay=0.1)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import signsgd, signum  # looked up when needed; they may be disabled

        return [(cls(betas=(0.9, 0.9)), signum(momentum=0.9)), (cls(betas=(0.0, 0.99)), signsgd())]
