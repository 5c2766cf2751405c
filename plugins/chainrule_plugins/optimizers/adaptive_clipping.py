"""Adaptive gradient clipping."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper, hyperparameter


class AdaptiveClipping(Wrapper):
    """Keep the gradient of each unit from growing too long beside the unit's weights, for another rule.

    Update:   ``gᵢ ← min(1, clipping max(‖θᵢ‖, eps) / ‖gᵢ‖) gᵢ`` for each unit i, then the inner rule
    Variant:  a unit is a row of a matrix or a filter of a kernel, along the first axis; a vector is one unit, as in the
              authors' code. The paper leaves out the last layer: give it another rule by param_groups
    Source:   Brock et al. 2021, arXiv:2102.06171, eq. (3)
    """

    clipping: float = hyperparameter(default=0.01, above=0, search=(1e-3, 1.0))
    eps: float = hyperparameter(default=1e-3, above=0)

    def change_gradient(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        longest = self.clipping * _lengths(parameter).clamp_min(self.eps)
        length = _lengths(grad)
        return grad * torch.where(length > longest, longest / length, 1.0)

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import adam, sgd  # looked up when needed; they may be disabled

        return [cls(inner=sgd(momentum=0.9)), cls(inner=adam(lr=0.01), clipping=0.5, eps=1.0)]


def _lengths(tensor: Tensor) -> Tensor:
    axes = tuple(range(1, tensor.dim()))
    lengths: Tensor = torch.linalg.vector_norm(tensor, dim=axes or None, keepdim=True)
    return lengths
