"""LARS."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import vector_norm

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, present


class Lars(Optimizer):
    """Gradient descent with momentum in which each parameter's step is in proportion to that parameter's norm.

    Update:   ``r = trust_coefficient ‖θ‖ / (‖g‖ + weight_decay ‖θ‖)``; ``b ← momentum b + r (g + weight_decay θ)``;
              ``θ ← θ − lr b``
    Variant:  r = 1 where it would be 0 or 0/0; the norms of gradient and decay are added, as in the paper, where optax
              takes the norm of the sum; lr scales b, in the paper what is added to b, which differs only where lr
              changes. Every parameter is scaled: leave biases to another rule by param_groups
    Source:   You, Gitman & Ginsburg 2017, arXiv:1708.03888, Algorithm 1
    """

    decay_kind = "other"

    lr: LearningRate = hyperparameter(default=1.0, search=(1e-2, 1e3))
    momentum: float = hyperparameter(default=0.9, at_least=0, below=1, search=(0.0, 0.99))
    trust_coefficient: float = hyperparameter(default=1e-3, above=0, search=(1e-4, 1e-1))
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"b": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        length, slope = vector_norm(parameter), vector_norm(grad)
        if present(self.weight_decay):
            slope = slope + self.weight_decay * length
            grad = grad + self.weight_decay * parameter
        ratio = self.trust_coefficient * (length / slope)
        ratio = ratio.masked_fill(torch.minimum(length, slope).logical_not(), 1.0)
        return state["b"].mul_(self.momentum).add_(ratio * grad)

    @classmethod
    def examples(cls) -> list[Lars]:
        return [cls(), cls(lr=0.5, momentum=0.5, trust_coefficient=0.01, weight_decay=0.1)]
