"""Lookahead."""

from __future__ import annotations

from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper, hyperparameter


class Lookahead(Wrapper):
    """Let another rule run ahead for k steps, and then go a part of the way that it went.

    Update:   θ as by the inner rule; at every k-th step ``s ← s + alpha (θ − s)``, ``θ ← s``
    Variant:  the paper's: the inner rule keeps its state when the parameters are pulled back; the fast parameters θ are
              evaluated between the k-th steps
    Source:   Zhang et al. 2019, arXiv:1907.08610, Algorithm 1
    """

    k: int = hyperparameter(default=5, at_least=1)
    alpha: float = hyperparameter(default=0.5, above=0, at_most=1, search=(0.2, 0.8))

    def init(self, parameter: Tensor) -> State:
        return {"s": parameter.clone()}

    def after_step(self, parameter: Tensor, state: State, step: Step) -> None:
        if step.every(self.k):
            parameter.copy_(state["s"].lerp_(parameter, self.alpha))

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import sgd  # looked up when needed; it may be disabled

        return [cls(inner=sgd(momentum=0.9), k=2), cls(inner=sgd(), k=3, alpha=0.8)]
