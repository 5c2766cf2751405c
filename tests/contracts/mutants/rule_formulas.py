"""Wrong rules: in their formula or their numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, hyperparameter
from chainrule.base.optimizer import State
from chainrule.base.step import Step
from chainrule_plugins.optimizers.adadelta import Adadelta
from chainrule_plugins.optimizers.adagrad import Adagrad
from chainrule_plugins.optimizers.adam import Adam
from chainrule_plugins.optimizers.cautious import Cautious
from chainrule_plugins.optimizers.lookahead import Lookahead
from chainrule_plugins.optimizers.rmsprop import Rmsprop
from chainrule_plugins.optimizers.sgd import Sgd
from tests.contracts.mirrored_tests import reference_of

from . import collect

MUTANTS, wrong = collect("optimizers")


@wrong("first_steps_follow_the_reference", reference=reference_of(Adam))
class NoBiasCorrection(Adam):
    def scalars(self, t: int) -> dict[str, float]:
        return {"bias1": 1.0, "bias2": 1.0}


@wrong("first_steps_follow_the_reference", reference=reference_of(Adam))
class SecondMomentUncorrected(Adam):
    def scalars(self, t: int) -> dict[str, float]:
        return {**super().scalars(t), "bias2": 1.0}


@wrong("first_steps_follow_the_reference", reference=reference_of(Adam))
class CorrectedOneStepLate(Adam):
    def scalars(self, t: int) -> dict[str, float]:
        return super().scalars(t + 1)


@wrong("first_steps_follow_the_reference", reference=reference_of(Sgd))
class DampenedFirstGradient(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return super().update(parameter, grad * (1 - self.momentum), state, step)


@wrong("trajectory_follows_the_reference", reference=reference_of(Adam))
class EpsInsideTheRoot(Adam):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.betas[0])
        v = state["v"].lerp_(grad * grad, 1 - self.betas[1])
        return m / step["bias1"] / (v / step["bias2"] + self.eps).sqrt()


@wrong("trajectory_follows_the_reference", reference=reference_of(Adam))
class EpsBeforeTheCorrection(Adam):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.betas[0])
        v = state["v"].lerp_(grad * grad, 1 - self.betas[1])
        return m / step["bias1"] * step["bias2"] ** 0.5 / (v.sqrt() + self.eps)


@wrong("trajectory_follows_the_reference", reference=reference_of(Adam))
class RootOfTheFirstMoment(Adam):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.betas[0]) / step["bias1"]
        v = state["v"].lerp_(grad * grad, 1 - self.betas[1]) / step["bias2"]
        return m.abs().sqrt() * m.sign() / (v.sqrt() + self.eps)


@wrong("trajectory_follows_the_reference", reference=reference_of(Sgd))
class MomentumUsedBeforeItsUpdate(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        if not self.momentum:
            return grad
        before = state["b"].clone()
        super().update(parameter, grad, state, step)
        return grad + self.momentum * self.momentum * before


@wrong("trajectory_follows_the_reference", reference=reference_of(Sgd))
class DoubledForKernels(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return super().update(parameter, grad if parameter.dim() != 4 else 2 * grad, state, step)


@wrong("float32_steps_agree_with_float64")
class DoubledInFloat32(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return super().update(parameter, grad if grad.dtype == torch.float64 else 2 * grad, state, step)


@wrong("float32_steps_agree_with_float64")
class EvaluatedInDoublePrecision(Sgd):
    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return parameter.double()


@wrong("float32_steps_agree_with_float64")
class EvaluatedTwiceAsLargeInFloat32(Sgd):
    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return parameter if parameter.dtype == torch.float64 else 2 * parameter


@wrong("trajectory_follows_the_reference", reference=reference_of(Adadelta))
class StepSizeFromTheNewMean(Adadelta):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        square = state["v"].mul_(self.rho).addcmul_(grad, grad, value=1 - self.rho)
        direction = ((state["u"] + self.eps) / (square + self.eps)).sqrt() * grad
        state["u"].mul_(self.rho).addcmul_(direction, direction, value=1 - self.rho)
        return ((state["u"] + self.eps) / (square + self.eps)).sqrt() * grad


@wrong("trajectory_follows_the_reference", reference=reference_of(Adagrad))
class DecayedTwice(Adagrad):
    def scalars(self, t: int) -> dict[str, float]:
        return {"decay": 1 + t * self.lr_decay}


@wrong("trajectory_follows_the_reference", reference=reference_of(Rmsprop))
class UncentredWhenCentred(Rmsprop):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        if self.centered:
            state["m"].zero_()
        return super().update(parameter, grad, state, step)


@wrong("trajectory_follows_the_reference", reference=reference_of(Lookahead))
class PulledAStepLate(Lookahead):
    def after_step(self, parameter: Tensor, state: State, step: Step) -> None:
        if step.every(self.k, offset=1):
            parameter.copy_(state["s"].lerp_(parameter, self.alpha))


@wrong("trajectory_follows_the_reference", reference=reference_of(Cautious))
class MaskedTheWrongWay(Cautious):
    def change_direction(self, parameter: Tensor, grad: Tensor, direction: Tensor, state: State, step: Step) -> Tensor:
        return direction * (direction * grad <= 0)


@wrong("declared_identities_hold")
class DecayThatStaysOn(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return super().update(parameter, grad, state, step) + 1e-4 * parameter

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        return [(cls(weight_decay=0.0), Sgd())]


@wrong("weight_decay_is_as_declared")
class DecayThatGrows(Adagrad):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return super().update(parameter, grad, state, step) - 2 * self.weight_decay * parameter


@wrong("weight_decay_is_as_declared")
class DecayedInUpdateToo(Adagrad):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return super().update(parameter, grad, state, step) + self.weight_decay * parameter


@wrong("weight_decay_is_as_declared")
class CoupledThoughDeclaredDecoupled(Rmsprop):
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        parameter.sub_(self.update(parameter, grad + self.weight_decay * parameter, state, step) * step.lr)


@wrong("weight_decay_is_as_declared")
class DecoupledThoughDeclaredCoupled(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        buffer = state["b"].mul_(self.momentum).add_(grad) if self.momentum else grad
        return buffer + self.weight_decay * parameter


@wrong("weight_decay_is_as_declared")
class DecayNotDeclared(Adam):
    weight_decay: float = hyperparameter(default=0.0, at_least=0)


@wrong("weight_decay_is_as_declared")
class DecayDeclaredButAbsent(Adam):
    decay_kind = "decoupled"


@wrong("zero_gradient_is_as_declared")
class Drifting(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return super().update(parameter, grad, state, step) + 1e-3


@wrong("zero_gradient_is_as_declared")
class RestingThoughDeclaredDrifting(Sgd):
    rests_at_zero_gradient = False


@wrong("descends_on_a_quadratic")
class Climbing(Adam):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return -super().update(parameter, grad, state, step)


@wrong("descends_on_an_ill_conditioned_quadratic")
class WeakGradientsIgnored(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad * (grad.abs() > 0.5)


@wrong("descends_on_rosenbrock")
class FirstGradientForEver(Sgd):
    def init(self, parameter: Tensor) -> State:
        return {"first": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        return {"is_first": float(t == 1)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return state["first"].add_(grad * step["is_first"])


@wrong("descends_in_noise")
class StepsThatGrow(Sgd):
    def scalars(self, t: int) -> dict[str, float]:
        return {"grown": 1.1 ** min(t, 1000)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad * step["grown"]


@wrong("descends_in_noise")
class UselessSearchRange(Sgd):
    lr: LearningRate = hyperparameter(default=1e-3, at_least=0, search=(1e-9, 1e-7))


@wrong("lr_of_zero_freezes")
class LrIgnored(Adam):
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        parameter.sub_(self.update(parameter, grad, state, step), alpha=1e-3)


@wrong("lr_of_zero_freezes")
class DecayNotScaledByLr(Sgd):
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        super().apply(parameter, grad, state, step)
        parameter.mul_(1 - self.weight_decay)


@wrong("schedule_scales_lr_at_once")
class ScheduleIgnored(Adam):
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        parameter.sub_(self.update(parameter, grad, state, step) * self.lr)


@wrong("schedule_scales_lr_at_once")
class LrKeptFromTheStepBefore(Sgd):
    def init(self, parameter: Tensor) -> State:
        return {**super().init(parameter), "lr": torch.zeros_like(parameter)}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        lr = torch.where(state["lr"] > 0, state["lr"], step.lr)
        parameter.sub_(self.update(parameter, grad, state, step) * lr)
        state["lr"].copy_(torch.as_tensor(step.lr))


@wrong("nan_and_inf_stay_where_they_are")
class StepSkippedForOneNan(Sgd):
    elementwise = True

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad * grad.isfinite().all()


@wrong("extreme_gradients_stay_finite")
class FourthPowers(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad**5 / (grad**4 + 1e-8)


@wrong("extreme_gradients_stay_finite")
class EpsThatFloat32DoesNotHold(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / (grad.abs() + 1e-60)


@wrong("extreme_gradients_stay_finite")
class EpsOfTheEvaluationThatFloat32DoesNotHold(Sgd):
    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        ahead = state["b"] if self.momentum else torch.zeros_like(parameter)
        return parameter - 0.01 * ahead / (ahead.abs() + 1e-60)


@wrong("extreme_gradients_stay_finite")
class NoEps(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / (grad**4).sqrt().sqrt()


@wrong("zero_gradient_is_as_declared")
class NanAtRestThoughDeclaredToMove(Sgd):
    rests_at_zero_gradient = False

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / grad.abs()


@wrong("runs_are_deterministic")
@wrong("resumes_to_the_bit")
class NanEveryTime(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad * torch.nan
