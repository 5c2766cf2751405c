"""Stochastic gradient Langevin dynamics."""

from __future__ import annotations

from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter, present


class Sgld(Optimizer):
    """Descend with noise of such a size that the parameters become samples of a posterior.

    Update:   ``g ← g + weight_decay θ``; ``θ ← θ − lr g + √(2 lr temperature) ξ``, with ξ standard normal
    Variant:  the paper's ε is ``2 lr temperature``. For small lr the density of θ is in proportion to
              ``exp(−(L + ½ weight_decay ‖θ‖²) / temperature)``: the posterior of N rows for their mean loss L and
              temperature 1 / N, where L is their mean negative log-likelihood; the prior has the variance
              ``temperature / weight_decay``. A schedule shrinks the steps, as the paper asks for
    Source:   Welling & Teh 2011, "Bayesian learning via stochastic gradient Langevin dynamics", eq. (4)
    """

    decay_kind = "coupled"
    rests_at_zero_gradient = False

    lr: LearningRate = hyperparameter(default=1e-3, search=(1e-5, 1e0))
    temperature: float = hyperparameter(at_least=0, search=(1e-6, 1e0))
    weight_decay: float = hyperparameter(default=0.0, at_least=0, search=(1e-6, 1e-1))

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        noise = (2 * step.lr * self.temperature) ** 0.5 * step.random.normal(parameter.shape)
        if present(self.weight_decay):
            grad = grad + self.weight_decay * parameter
        self.descend(parameter, grad, step)
        parameter.add_(noise)

    @classmethod
    def examples(cls) -> list[Sgld]:
        return [cls(temperature=1e-3), cls(lr=0.01, temperature=1e-4, weight_decay=0.1)]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import sgd  # looked up when needed; it may be disabled

        return [(cls(temperature=0.0, weight_decay=0.1), sgd(weight_decay=0.1))]
