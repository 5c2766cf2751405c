"""Signum."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule_plugins.signs import sign


class Signum(Optimizer):
    """Step by the sign of a running mean of the gradient.

    Update:   ``m ← momentum m + (1 − momentum) g``; ``θ ← θ − lr (sign(m) + weight_decay θ)``
    Variant:  one worker; m starts at 0; decay is decoupled
    Source:   Bernstein et al. 2018, arXiv:1802.04434, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-4
    momentum: float = hyperparameter(default=0.9, at_least=0, below=1, search=(0.0, 0.99))
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return sign(state["m"].lerp_(grad, 1 - self.momentum))

    @classmethod
    def examples(cls) -> list[Signum]:
        return [cls(), cls(lr=0.01, momentum=0.5, weight_decay=0.1)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import signsgd  # looked up when needed; it may be disabled

        return [(cls(momentum=0.0), signsgd())]
