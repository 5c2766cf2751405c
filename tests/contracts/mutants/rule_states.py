"""Wrong rules: in what they remember and change."""

from __future__ import annotations

import os
import random
from typing import Any, ClassVar

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer, State
from chainrule.base.step import Step
from chainrule_plugins.optimizers.adam import Adam
from chainrule_plugins.optimizers.cautious import Cautious
from chainrule_plugins.optimizers.ema import Ema
from chainrule_plugins.optimizers.lookahead import Lookahead
from chainrule_plugins.optimizers.rmsprop import Rmsprop
from chainrule_plugins.optimizers.sgd import Sgd

from . import collect

MUTANTS, wrong = collect("optimizers")


@wrong("update_changes_only_its_state")
class GradChangedInPlace(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad.add_(parameter, alpha=0.1)


@wrong("update_changes_only_its_state")
class GradScaledInApply(Sgd):
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        parameter.sub_(grad.mul_(step.lr))


@wrong("update_changes_only_its_state")
class ParameterChangedInUpdate(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        parameter.mul_(0.99)
        return grad


@wrong("update_changes_only_its_state")
class ParameterChangedByInit(Sgd):
    def init(self, parameter: Tensor) -> State:
        return {"momentum": parameter.zero_().clone()}


@wrong("update_changes_only_its_state")
class DirectionInSinglePrecision(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad.float()


@wrong("update_changes_only_its_state")
class DirectionHalvedInPlace(Cautious):
    def change_direction(self, parameter: Tensor, grad: Tensor, direction: Tensor, state: State, step: Step) -> Tensor:
        return direction.mul_(0.5)  # which may be the gradient itself

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [cls(inner=Sgd())]


@wrong("update_changes_only_its_state")
class GradientChangedInPlaceByAWrapper(Ema):
    def change_gradient(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad.mul_(0.5)


@wrong("state_keeps_its_form")
class StateInSinglePrecision(Adam):
    def init(self, parameter: Tensor) -> State:
        return {name: entry.float() for name, entry in super().init(parameter).items()}


@wrong("state_keeps_its_form")
class OneTensorForBothMoments(Adam):
    def init(self, parameter: Tensor) -> State:
        zeros = torch.zeros_like(parameter)
        return {"m": zeros, "v": zeros.view_as(zeros)}


@wrong("state_keeps_its_form")
class AverageThatIsTheParameter(Sgd):
    def init(self, parameter: Tensor) -> State:
        return {"average": parameter}


@wrong("state_keeps_its_form")
class StateThatGrows(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        state[f"gradient {step.t}"] = grad.clone()
        return grad


@wrong("state_keeps_its_form")
class StateExchanged(Rmsprop):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        state["v"] = self.decay * state["v"] + (1 - self.decay) * grad * grad
        return grad / (state["v"].sqrt() + self.eps)


@wrong("state_keeps_its_form")
class GradientsKeptOnTheClass(Sgd):
    seen: ClassVar[list[float]] = []

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        self.seen.append(grad.sum().item())
        return grad


@wrong("runs_are_deterministic")
class CountedByAWrapper(Lookahead):
    calls: ClassVar[list[int]] = [0]

    def after_step(self, parameter: Tensor, state: State, step: Step) -> None:
        self.calls[0] += 1
        if self.calls[0] % 7 == 0:
            parameter.copy_(state["s"].lerp_(parameter, self.alpha))


@wrong("runs_are_deterministic")
class CounterOnTheClass(Sgd):
    steps: ClassVar[list[int]] = [0]

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        self.steps[0] += 1
        return grad / self.steps[0]


@wrong("no_global_randomness_is_touched")
class NoiseFromTorch(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad + 1e-3 * torch.randn_like(grad)


@wrong("no_global_randomness_is_touched")
class ChanceFromPython(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad * (0.5 + random.random())  # noqa: S311


@wrong("no_global_randomness_is_touched")
class SeedsTorch(Sgd):
    def init(self, parameter: Tensor) -> State:
        torch.manual_seed(7)
        return super().init(parameter)


@wrong("updaters_do_not_interact")
class MomentumOnTheRule(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        before = vars(self).get("buffer", 0.0)
        object.__setattr__(self, "buffer", grad + 0.9 * before)
        buffer: Tensor = vars(self)["buffer"]
        return buffer


@wrong("resumes_to_the_bit")
class CounterOnTheRule(Adam):
    def scalars(self, t: int) -> dict[str, float]:
        object.__setattr__(self, "steps", vars(self).get("steps", 0) + 1)
        return super().scalars(vars(self)["steps"])


@wrong("resumes_to_the_bit")
class MomentumBesideTheState(Sgd):
    def init(self, parameter: Tensor) -> State:
        object.__setattr__(self, "buffer", torch.zeros_like(parameter))
        return {}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        buffer: Tensor = vars(self)["buffer"]
        return buffer.mul_(0.9).add_(grad).clone()


@wrong("resumes_in_a_fresh_process")
class NoiseOfTheProcess(Sgd):
    def scalars(self, t: int) -> dict[str, float]:
        return {"noise": os.getpid() % 1009 / 1009}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad + step["noise"]


class Averaged(Sgd):
    """Evaluates a running mean."""

    def init(self, parameter: Tensor) -> State:
        return {"mean": parameter.clone()}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        state["mean"].lerp_(parameter - step.lr * grad, 0.1)
        return grad


@wrong("evaluation_changes_nothing")
class EvaluationMovesTheParameter(Averaged):
    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        state["mean"].mul_(0.9)
        parameter.add_(state["mean"])
        return parameter + 0.1 * state["mean"]


@wrong("evaluation_changes_nothing")
class EvaluationOfAnotherForm(Averaged):
    def evaluation_parameter(self, parameter: Tensor, state: State) -> Any:
        return state["mean"].mean()
