"""Rprop."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule_plugins.signs import sign


class Rprop(Optimizer):
    """Go by the gradient's sign, with a step size for each element that grows while the sign stays, else shrinks.

    Update:   ``z = sign(g) s``; ``Δ ← Δ (eta_plus if z > 0, eta_minus if z < 0, else 1)`` within step_min and step_max;
              ``s ← 0 if z < 0, else sign(g)``; ``θ ← θ − lr Δ s``
    Variant:  iRprop⁻, as torch's: no step where the sign has changed, and none is taken back. Δ is in units of lr, from
              1: torch's step_sizes are lr step_min and lr step_max. For gradients of the whole data set
    Source:   Riedmiller & Braun 1993, "A direct adaptive method for faster backpropagation learning"; Igel & Hüsken
              2000, "Improving the Rprop learning algorithm", for iRprop⁻
    """

    lr: LearningRate = 1e-2
    eta_minus: float = hyperparameter(default=0.5, above=0, below=1)
    eta_plus: float = hyperparameter(default=1.2, above=1)
    step_min: float = hyperparameter(default=1e-4, at_least=0, at_most=1)
    step_max: float = hyperparameter(default=5e3, at_least=1)

    def init(self, parameter: Tensor) -> State:
        return {"Δ": torch.ones_like(parameter), "s": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        direction = sign(grad)
        z = direction * state["s"]  # 1 where the sign has stayed, -1 where it has changed
        factor = 1 + (self.eta_plus - 1) * z.clamp_min(0) + (1 - self.eta_minus) * z.clamp_max(0)
        size = state["Δ"].mul_(factor).clamp_min_(self.step_min).clamp_max_(self.step_max)
        return size * state["s"].copy_(direction.masked_fill(z < 0, 0))

    @classmethod
    def examples(cls) -> list[Rprop]:
        return [cls(), cls(lr=0.1, eta_minus=0.6, eta_plus=1.5, step_min=0.2, step_max=2.0)]
