"""signSGD."""

from __future__ import annotations

from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule_plugins.signs import sign


class Signsgd(Optimizer):
    """Step by the sign of each element of the gradient.

    Update:   ``θ ← θ − lr (sign(g) + weight_decay θ)``
    Variant:  one worker; no step where the gradient is 0; decay is decoupled
    Source:   Bernstein et al. 2018, arXiv:1802.04434, Algorithm 1
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-4
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return sign(grad)

    @classmethod
    def examples(cls) -> list[Signsgd]:
        return [cls(), cls(lr=0.01, weight_decay=0.1)]
