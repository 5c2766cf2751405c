"""Scion."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule_plugins.orthogonal import EPS, orthogonalized
from chainrule_plugins.signs import sign


class Scion(Optimizer):
    """Take the step of steepest descent in a norm that suits the parameter: spectral, or largest element.

    Update:   ``m ← momentum m + (1 − momentum) g``; ``θ ← θ − lr (scale d + weight_decay θ)``. With norm "spectral",
              for hidden layers, ``d = √(out / in) NS(m)`` for a matrix, NS as in muon, over the number of a kernel's
              elements if it has several, and ``m / rms m`` for a vector; with "sign", for the output layer,
              ``d = sign(m) / in`` for a matrix and ``sign(m)`` for a vector
    Variant:  unconstrained; weight_decay=1 is the constrained form, which keeps θ's norm at most scale. The paper's α
              is 1 − momentum. A kernel is a matrix (out, rest), as in the authors' code; NS runs in the parameter's
              dtype, or with bfloat16=True as there
    Source:   Pethick et al. 2025, arXiv:2502.07529, Algorithms 1 and 2, with the norms of Section 4

    For a whole network: ``param_groups({"4.*": scion(norm="sign", scale=64.0), "*": scion()})`` with output layer 4.
    """

    decay_kind = "decoupled"

    lr: LearningRate = hyperparameter(default=1e-3, search=(1e-4, 1e0))
    momentum: float = hyperparameter(default=0.9, at_least=0, below=1, search=(0.5, 0.99))
    norm: Literal["spectral", "sign"] = "spectral"
    scale: float = hyperparameter(default=1.0, above=0, search=(1e0, 1e4))
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-2, 1e0))
    ns_steps: int = hyperparameter(default=5, at_least=1)
    bfloat16: bool = False

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.momentum)
        if m.dim() < 2:
            d = sign(m) if self.norm == "sign" else m * (math.sqrt(m.numel()) / m.norm().clamp_min(EPS))
            return self.scale * d
        out, inputs, *_ = m.shape
        matrix = m.flatten(1)
        if self.norm == "sign":
            return (self.scale / matrix.shape[1]) * sign(m)
        radius = self.scale * (math.sqrt(out / inputs) * inputs / matrix.shape[1])
        return (radius * orthogonalized(matrix, self.ns_steps, bfloat16=self.bfloat16)).reshape(m.shape)

    @classmethod
    def examples(cls) -> list[Scion]:
        return [cls(), cls(lr=0.01, momentum=0.5, norm="sign", scale=10.0, weight_decay=1.0)]
