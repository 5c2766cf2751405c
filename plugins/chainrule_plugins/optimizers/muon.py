"""Muon."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, param_groups
from chainrule_plugins.orthogonal import COEFFICIENTS, EPS, orthogonalized


class Muon(Optimizer):
    """Make the momentum of a matrix nearly orthogonal, so that all its singular values count alike.

    Update:   ``m ← momentum m + (1 − momentum) g``; ``d = momentum m + (1 − momentum) g``, or m without nesterov;
              ``θ ← θ − lr (s NS(d) + weight_decay θ)``. NS takes d / ‖d‖ by ns_steps of ``X ← a X + (b A + c A²) X``,
              ``A = X Xᵀ``, near U Vᵀ where ``d = U S Vᵀ``. For a matrix of rows × columns, s is √max(1, rows / columns)
              with scaling "original", and 0.2 √max(rows, columns) with "match_rms_adamw", for AdamW's lr and decay
    Variant:  torch's, with the author's defaults (torch's are lr 1e-3 and weight_decay 0.1); ‖d‖ is at least eps. NS
              runs in the parameter's dtype, or with bfloat16=True in bfloat16 as the author's and torch's does: to two
              digits, in half the time for large matrices if the processor has it. A kernel is a matrix (out, rest)
    Source:   Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv:2502.16982, eq. (4)
              for match_rms_adamw

    It takes matrices and kernels alone: ``muon().with_adamw()`` leaves biases, norms and embeddings to adamw.
    """

    ranks = (2, 3, 4, 5)
    decay_kind = "decoupled"

    lr: LearningRate = hyperparameter(default=0.02, search=(1e-4, 1e0))
    momentum: float = hyperparameter(default=0.95, at_least=0, below=1, search=(0.8, 0.99))
    nesterov: bool = True
    scaling: Literal["original", "match_rms_adamw"] = "original"
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e0))
    ns_coefficients: tuple[float, float, float] = hyperparameter(default=COEFFICIENTS, per_member=False)
    ns_steps: int = hyperparameter(default=5, at_least=1)
    eps: float = hyperparameter(default=EPS, above=0)
    bfloat16: bool = False

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.momentum)
        d = (grad.lerp(m, self.momentum) if self.nesterov else m).flatten(1)
        rows, columns = d.shape
        adamw_like = self.scaling == "match_rms_adamw"
        scale = 0.2 * math.sqrt(max(rows, columns)) if adamw_like else math.sqrt(max(1, rows / columns))
        x = orthogonalized(d, self.ns_steps, self.ns_coefficients, self.eps, bfloat16=self.bfloat16)
        return (scale * x).reshape(grad.shape)

    def with_adamw(self, *names: str, **settings: Any) -> param_groups:
        """Return groups for a whole network: this rule for its matrices and kernels, adamw for the rest.

        Args:
            names: patterns of what else to leave to adamw, such as ``"4.*"`` for an output layer.
            settings: adamw's.
        """
        from chainrule.optimizers import adamw  # looked up when needed; it may be disabled

        rest = adamw(**settings)
        return param_groups({**dict.fromkeys(names, rest), "weights": self, "*": rest})

    @classmethod
    def examples(cls) -> list[Muon]:
        return [cls(), cls(lr=0.01, momentum=0.8, nesterov=False, scaling="match_rms_adamw", weight_decay=0.1)]
