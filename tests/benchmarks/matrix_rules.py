"""A rule that needs a parameter's shape, as third parties would write it; `plain_rules` has the same in plain torch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter


class Adafactor(Optimizer):
    """Divide by the root of a factored mean square, of which a matrix keeps the means of its rows and columns.

    Update:   ``r, c ←`` running means of g² + 1e-30 over columns and rows; ``u = g / √(r cᵀ / mean r)``;
              ``θ ← θ − lr u / max(1, rms u)``
    Variant:  decay 1 − t^−0.8, without relative steps; the whole mean square for parameters that are no matrices
    Source:   Shazeer & Stern 2018, arXiv:1804.04235
    """

    elementwise = False
    lr: LearningRate = hyperparameter(default=1e-3, at_least=0)

    def init(self, parameter: Tensor) -> State:
        if parameter.dim() != 2:
            return {"v": torch.zeros_like(parameter)}
        return {"row": torch.zeros_like(parameter[:, 0]), "column": torch.zeros_like(parameter[0])}

    def scalars(self, t: int) -> Mapping[str, float]:
        return {"new": t**-0.8}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        square = grad * grad + 1e-30
        if parameter.dim() != 2:
            v = state["v"].lerp_(square, step["new"])
        else:
            row = state["row"].lerp_(square.mean(1), step["new"])
            column = state["column"].lerp_(square.mean(0), step["new"])
            v = row.unsqueeze(1) * (column / row.mean())
        u = grad / v.sqrt()
        return u / u.square().mean().sqrt().clamp_min(1)
