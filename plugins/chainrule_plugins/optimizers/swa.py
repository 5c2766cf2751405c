"""Stochastic weight averaging."""

from __future__ import annotations

from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper, hyperparameter


class Swa(Wrapper):
    """Train with another rule, and evaluate the mean of the parameters at every k-th step from a stated one on.

    Update:   θ as by the inner rule; at t = start, start + k, …: ``n ← n + 1``, ``a ← a + (θ − a) / n``; a is evaluated
    Variant:  until start, θ is evaluated; running statistics, as of batch norm, stay those of training, where the paper
              takes them anew for the mean
    Source:   Izmailov et al. 2018, arXiv:1803.05407, Algorithm 1
    """

    start: int = hyperparameter(at_least=1)
    k: int = hyperparameter(default=1, at_least=1)

    def init(self, parameter: Tensor) -> State:
        return {"a": parameter.clone()}

    def scalars(self, t: int) -> dict[str, float]:
        n, since = divmod(max(t - self.start, 0), self.k)
        return {"weight": 0.0 if since else 1 / (n + 1)}

    def after_step(self, parameter: Tensor, state: State, step: Step) -> None:
        state["a"].lerp_(parameter, step["weight"])

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return state["a"]

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import sgd  # looked up when needed; it may be disabled

        return [cls(inner=sgd(momentum=0.9), start=1), cls(inner=sgd(), start=3, k=2)]
