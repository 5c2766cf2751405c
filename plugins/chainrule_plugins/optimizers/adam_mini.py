"""Adam-mini."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from chainrule.ops import square_root


class AdamMini(Optimizer):
    """AdamW with one mean square for each block of a parameter in place of one for each element.

    Update:   ``m ← β₁ m + (1 − β₁) g``; ``v ← β₂ v + (1 − β₂) mean g²``, a number for each block;
              ``m̂ = m / (1 − β₁ᵗ)``; ``v̂ = v / (1 − β₂ᵗ)``; ``θ ← θ − lr (m̂ / (√v̂ + eps) + weight_decay θ)``
    Variant:  a block is an index of the first axis: an output neuron of a linear layer, an output channel of a
              convolution, a token of an embedding; a vector or scalar is one block, where the authors' code gives each
              element of a bias its own v. The paper's blocks of query and key, one per head, are left out, since a
              tensor does not tell its heads
    Source:   Zhang et al. 2024, arXiv:2406.16793, Algorithm 1, and its partition by output neurons and tokens
    """

    decay_kind = "decoupled"

    lr: LearningRate = 1e-3
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, at_least=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e0))

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(_block_means(parameter))}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        return {"bias1": 1 - beta1**t, "bias2": 1 - beta2**t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        v = state["v"].lerp_(_block_means(grad * grad), 1 - beta2)
        return m / (square_root(v / step["bias2"]).add_(self.eps) * step["bias1"])

    @classmethod
    def examples(cls) -> list[AdamMini]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)]


def _block_means(x: Tensor) -> Tensor:
    """Return the mean of each block, with the axes of x."""
    return x.mean(tuple(range(x.dim() > 1, x.dim())), keepdim=True)
