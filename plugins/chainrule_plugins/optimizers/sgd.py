"""Stochastic gradient descent."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import HyperparameterError, LearningRate, Optimizer, State, Step, hyperparameter, present


class Sgd(Optimizer):
    """Gradient descent with optional momentum and weight decay.

    Update:   ``g ← g + weight_decay θ``; ``b ← momentum b + g``; ``θ ← θ − lr b``;
              nesterov: ``θ ← θ − lr (g + momentum b)``
    Variant:  torch's: the learning rate scales b, which starts at the first gradient; decay is coupled (classic L2)
    Source:   paper eq. (7); Sutskever et al. 2013 for momentum and nesterov
    Raises:   HyperparameterError for nesterov without momentum.
    """

    decay_kind = "coupled"

    lr: LearningRate = hyperparameter(default=1e-3, search=(1e-4, 1e1))
    momentum: float = hyperparameter(default=0.0, at_least=0, below=1, search=(0.0, 0.99))
    nesterov: bool = False
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not present(self.momentum):
            raise HyperparameterError(
                "sgd: nesterov=True needs momentum above 0, got 0. Pass momentum=0.9, for example."
            )

    def init(self, parameter: Tensor) -> State:
        return {"b": torch.zeros_like(parameter)} if present(self.momentum) else {}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        if present(self.weight_decay):
            grad = grad + self.weight_decay * parameter
        if not present(self.momentum):
            return grad
        b = state["b"].mul_(self.momentum).add_(grad)
        return grad + self.momentum * b if self.nesterov else b

    @classmethod
    def examples(cls) -> list[Sgd]:
        return [cls(), cls(momentum=0.9), cls(momentum=0.9, nesterov=True, weight_decay=0.01)]
