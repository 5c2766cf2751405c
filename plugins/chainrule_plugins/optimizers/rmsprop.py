"""RMSProp."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, present
from chainrule.ops import square_root


class Rmsprop(Optimizer):
    """Divide each element of the gradient by the root of a running mean of its square.

    Update:   ``v ← decay v + (1 − decay) g²``; ``d = g / (√v + eps)``; with momentum ``b ← momentum b + d``, ``d = b``;
              ``θ ← θ − lr (d + weight_decay θ)``; centered: ``m ← decay m + (1 − decay) g``, ``v − m²`` in place of v
    Variant:  torch's: v from 0, eps outside the root; eps_inside=True is Goodfellow's ``√(v + eps)``; decay is 0.9 as
              Hinton gave it, torch's default is 0.99; weight decay is decoupled, torch couples it
    Source:   Tieleman & Hinton 2012; Goodfellow et al. 2016, Algorithms 8.5 and 8.6. The paper calls v a first moment;
              it is the second raw moment.
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    decay: float = hyperparameter(default=0.9, at_least=0, below=1)
    momentum: float = hyperparameter(default=0.0, at_least=0, below=1, search=(0.0, 0.99))
    centered: bool = False
    eps: float = hyperparameter(default=1e-8, at_least=0)
    eps_inside: bool = False
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        names = ["v", *["m"] * self.centered, *["b"] * present(self.momentum)]
        return {name: torch.zeros_like(parameter) for name in names}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        variance = state["v"].lerp_(grad * grad, 1 - self.decay)
        if self.centered:
            m = state["m"].lerp_(grad, 1 - self.decay)
            # For a gradient that hardly changes, rounding can make the difference negative.
            variance = variance.addcmul(m, m, value=-1).clamp_min_(0)
        root = square_root(variance + self.eps) if self.eps_inside else square_root(variance).add_(self.eps)
        direction = grad / root
        return state["b"].mul_(self.momentum).add_(direction) if present(self.momentum) else direction

    @classmethod
    def examples(cls) -> list[Rmsprop]:
        return [cls(), cls(momentum=0.9, centered=True, weight_decay=0.01), cls(eps_inside=True)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adam  # looked up when needed; it may be disabled

        return [(cls(decay=0.0), adam(lr=1e-3, betas=(0.0, 0.0)))]
