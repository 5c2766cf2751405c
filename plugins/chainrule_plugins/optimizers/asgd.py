"""Averaged stochastic gradient descent."""

from __future__ import annotations

from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter


class Asgd(Optimizer):
    """Gradient descent at a falling rate, evaluated at the mean of the parameters that it passes through from t0 on.

    Update:   ``η = lr / (1 + weight_decay lr (t − 1))^alpha``; ``θ ← θ − η (g + weight_decay θ)``;
              ``a ← a + (θ − a) / max(1, t − 1 − t0)``; a is evaluated
    Variant:  torch's, where weight_decay is called lambd; torch's own weight_decay, a second L2 term, is left out
    Source:   Polyak & Juditsky 1992; Xu 2011, arXiv:1107.2490, for the rate
    """

    decay_kind = "other"

    lr: LearningRate = hyperparameter(default=1e-2, search=(1e-4, 1e1))
    alpha: float = hyperparameter(default=0.75, at_least=0, at_most=1)
    t0: int = hyperparameter(default=10**6, at_least=0)
    weight_decay: float = hyperparameter(default=1e-4, at_least=0, search=(1e-6, 1e-1))

    def init(self, parameter: Tensor) -> State:
        return {"a": parameter.clone()}

    def scalars(self, t: int) -> dict[str, float]:
        return {"passed": t - 1.0, "new": 1 / max(1, t - 1 - self.t0)}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        eta = step.lr / (1 + self.weight_decay * step.lr * step["passed"]) ** self.alpha
        parameter.sub_((grad + self.weight_decay * parameter) * eta)
        state["a"].lerp_(parameter, step["new"])

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return state["a"]

    @classmethod
    def examples(cls) -> list[Asgd]:
        return [cls(), cls(lr=0.1, alpha=0.5, t0=3, weight_decay=0.1)]
