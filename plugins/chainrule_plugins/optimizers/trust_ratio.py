"""The trust ratio of LARS and LAMB."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper, hyperparameter


class TrustRatio(Wrapper):
    """Scale another rule's direction to a length in proportion to each parameter's norm.

    Update:   with the inner rule's direction d: ``r = trust_coefficient ‖θ‖ / ‖d‖``; ``θ ← θ − lr r d``
    Variant:  r = 1 where a norm is 0; the norms are those of a whole parameter; decay that a rule adds to its direction
              or gradient is scaled, decoupled decay is not. Every parameter is scaled: leave biases to another rule by
              param_groups
    Source:   You et al. 2020, arXiv:1904.00962, Algorithm 2, where φ is the identity
    """

    trust_coefficient: float = hyperparameter(default=1.0, above=0, search=(1e-4, 1e1))

    def change_direction(self, parameter: Tensor, grad: Tensor, direction: Tensor, state: State, step: Step) -> Tensor:
        length, own = parameter.norm(), direction.norm()
        return torch.where((length > 0) & (own > 0), self.trust_coefficient * length / own, 1.0) * direction

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import adam, sgd  # looked up when needed; they may be disabled

        return [cls(inner=adam()), cls(inner=sgd(lr=1.0, weight_decay=0.1), trust_coefficient=1e-2)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adam, lamb, lars, sgd  # looked up when needed; they may be disabled

        plain = cls(inner=sgd(lr=0.5), trust_coefficient=0.01)
        return [
            (cls(inner=adam(eps=1e-6)), lamb(weight_decay=0.0)),
            (plain, lars(lr=0.5, momentum=0.0, trust_coefficient=0.01)),
        ]
