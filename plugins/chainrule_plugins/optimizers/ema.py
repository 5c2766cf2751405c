"""An exponential moving average of the parameters."""

from __future__ import annotations

from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper, hyperparameter


class Ema(Wrapper):
    """Train with another rule, and evaluate a running mean of the parameters that it passes through.

    Update:   θ as by the inner rule; ``a ← decay a + (1 − decay) θ``; a is evaluated
    Variant:  a starts at the first parameters, without bias correction; the mean is taken at every step
    Source:   Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging", for the mean;
              Busbridge et al. 2023, arXiv:2307.13813, eq. (1), for its form
    """

    decay: float = hyperparameter(default=0.999, at_least=0, below=1, search=(0.9, 0.9999))

    def init(self, parameter: Tensor) -> State:
        return {"a": parameter.clone()}

    def after_step(self, parameter: Tensor, state: State, step: Step) -> None:
        state["a"].lerp_(parameter, 1 - self.decay)

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return state["a"]

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import sgd  # looked up when needed; it may be disabled

        return [cls(inner=sgd(momentum=0.9), decay=0.5), cls(inner=sgd(), decay=0.9)]
