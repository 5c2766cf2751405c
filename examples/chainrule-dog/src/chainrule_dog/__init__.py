"""The optimizer dog."""

from __future__ import annotations

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter
from torch import Tensor


class Dog(Optimizer):
    """Descend by the greatest distance from the start over the root of the sum of all squared gradients.

    Update:   with norms over the whole network, and at first ``r = reps_rel (1 + ‖θ₀‖)``:
              ``r ← max(r, ‖θ − θ₀‖)``; ``G ← G + ‖g‖²``; ``θ ← θ − lr r / √(G + eps) g``
    Variant:  as in the authors' code: eps inside the root, in the paper there is none. lr is a factor, best left at 1,
              without a schedule. The paper evaluates a running mean of θ: wrap the rule in ema. Each parameter group
              has its own r and G
    Source:   Ivgi, Hinder & Carmon 2023, arXiv:2302.12022, eq. (DoG)
    """

    lr: LearningRate = hyperparameter(default=1.0, search=(0.1, 10.0))
    reps_rel: float = hyperparameter(default=1e-6, above=0, search=(1e-8, 1e-3))
    eps: float = hyperparameter(default=1e-8, above=0)

    def init(self, parameter: Tensor) -> State:
        # r and G belong to the network: they are the same in every parameter.
        numbers = {"r": parameter.new_zeros(()), "G": parameter.new_zeros(())}
        return numbers | {"start": parameter.clone()}

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        start = state["start"]
        terms = {"start": start, "moved": parameter - start, "grad": grad}
        return {name: values.square().sum() for name, values in terms.items()}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        first, moved = self.reps_rel * (1 + step["start"] ** 0.5), step["moved"] ** 0.5
        r = state["r"].copy_(state["r"].clamp(min=first).clamp(min=moved))
        total = state["G"].add_(step["grad"])
        return r / (total + self.eps).sqrt() * grad

    @classmethod
    def examples(cls) -> list[Dog]:
        return [cls(), cls(lr=0.5, reps_rel=1e-3, eps=1e-4)]
