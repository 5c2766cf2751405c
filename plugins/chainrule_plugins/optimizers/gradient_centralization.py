"""Gradient centralization."""

from __future__ import annotations

from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper


class GradientCentralization(Wrapper):
    """Take its mean from the gradient of each row of a matrix, and of each filter of a kernel, for another rule.

    Update:   ``gᵢ ← gᵢ − mean gᵢ`` for each index i of the first axis, then the inner rule
    Variant:  the paper's, ahead of momentum and decay, where the authors' later code centers the direction; vectors and
              scalars are left as they are, and so are rows of one number, which would never move
    Source:   Yong et al. 2020, arXiv:2004.01461, eq. (1)
    """

    def change_gradient(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        if grad.dim() < 2 or grad[0].numel() == 1:
            return grad
        return grad - grad.mean(tuple(range(1, grad.dim())), keepdim=True)

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import adam, sgd  # looked up when needed; they may be disabled

        return [cls(inner=sgd(momentum=0.9, weight_decay=0.01)), cls(inner=adam(lr=0.01))]
