"""AMSGrad."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class Amsgrad(Optimizer):
    """Adam whose second moment never falls, so that no element's step size grows again.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← β₂ v + (1 − β₂) g²``; ``m̂ = m / (1 − β₁ᵗ)``;
              ``u ← max(u, v)``, ``û = u / (1 − β₂ᵗ)``; ``θ ← θ − lr (m̂ / (√û + eps) + weight_decay θ)``;
              maximum_of_corrected: ``u ← max(u, v / (1 − β₂ᵗ))``, ``û = u``
    Variant:  torch's, whose maximum comes before the bias correction; maximum_of_corrected=True is optax's, where it
              comes after. The paper corrects neither moment. eps outside the root; decay is decoupled
    Source:   Reddi, Kale & Kumar 2018, arXiv:1904.09237, Algorithm 2
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    maximum_of_corrected: bool = False
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {name: torch.zeros_like(parameter) for name in ("m", "v", "u")}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        if self.maximum_of_corrected:
            largest = state["u"].copy_(torch.maximum(state["u"], v / step["bias2"]))
        else:
            largest = state["u"].copy_(torch.maximum(state["u"], v)) / step["bias2"]
        return (m / step["bias1"]).div_(square_root(largest).add_(self.eps))

    @classmethod
    def examples(cls) -> list[Amsgrad]:
        return [
            cls(),
            cls(lr=0.01, betas=(0.8, 0.9), weight_decay=0.1),
            cls(betas=(0.9, 0.5), maximum_of_corrected=True),
        ]
