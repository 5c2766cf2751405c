"""Grokfast."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper, hyperparameter


class Grokfast(Wrapper):
    """Amplify the slow part of the gradient, its running mean, before another rule sees it.

    Update:   ``m ← alpha m + (1 − alpha) g``; ``g ← g + lamb m``, then the inner rule
    Variant:  Grokfast-EMA; m, the paper's μ, starts at the first gradient, as in the authors' code
    Source:   Lee et al. 2024, arXiv:2405.20233, section on Grokfast-EMA
    """

    alpha: float = hyperparameter(default=0.98, at_least=0, below=1, search=(0.8, 0.99))
    lamb: float = hyperparameter(default=2.0, at_least=0, search=(0.1, 5.0))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        return {"weight": 1 - self.alpha * (t > 1)}

    def change_gradient(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad + self.lamb * state["m"].lerp_(grad, step["weight"])

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import adam, sgd  # looked up when needed; they may be disabled

        return [cls(inner=adam()), cls(inner=sgd(momentum=0.9, weight_decay=0.01), alpha=0.5, lamb=0.5)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adam  # looked up when needed; it may be disabled

        return [(cls(inner=adam(), lamb=0.0), adam())]
