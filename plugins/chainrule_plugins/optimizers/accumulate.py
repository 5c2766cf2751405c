"""Gradient accumulation."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper, hyperparameter


class Accumulate(Wrapper):
    """Give another rule the mean of k gradients, as of a batch k times as large, at every k-th step alone.

    Update:   ``c ← c + g``; at every k-th step the inner rule's with ``g = c / k``, and then ``c ← 0``
    Variant:  in between nothing moves, not even by decay; t, schedule and evaluation of the inner rule count its own
              steps; clip_norm clips each g
    Source:   Ott et al. 2018, arXiv:1806.00187, where gradients are accumulated for larger batches
    """

    k: int = hyperparameter(at_least=1)

    def init(self, parameter: Tensor) -> State:
        return {"c": torch.zeros_like(parameter)}

    def inner_period(self) -> int:
        return self.k

    def change_gradient(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        c = state["c"].copy_(grad) if step.every(self.k, 1) else state["c"].add_(grad)
        return c / self.k

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import adam, sgd  # looked up when needed; they may be disabled

        return [cls(inner=sgd(momentum=0.9, weight_decay=0.01), k=2), cls(inner=adam(lr=0.01), k=3)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adam  # looked up when needed; it may be disabled

        return [(cls(inner=adam(), k=1), adam())]
