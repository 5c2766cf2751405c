"""Wrong rules: in the ways in which the core runs them, and in what they declare."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, hyperparameter
from chainrule.base.optimizer import State
from chainrule.base.step import Step
from chainrule_plugins.optimizers.adam import Adam
from chainrule_plugins.optimizers.sgd import Sgd

from . import collect

MUTANTS, wrong = collect("optimizers")


@wrong("elementwise_is_as_declared")
class NormInside(Sgd):
    elementwise = True

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / grad.norm()


@wrong("elementwise_is_as_declared")
class GradientCentred(Sgd):
    elementwise = True

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad - grad.mean()


@wrong("elementwise_is_as_declared")
class EvaluatedTowardsTheMean(Sgd):
    elementwise = True

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return (parameter + parameter.mean()) / 2


@wrong("elementwise_is_as_declared")
class ElementwiseThoughDeclaredNot(Adam):
    elementwise = False


@wrong("vmappable_is_as_declared")
class BranchOnATensor(Sgd):
    elementwise = False

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        norm = grad.norm()
        return grad / norm if norm > 1 else grad


@wrong("vmappable_is_as_declared")
class VmappableThoughDeclaredNot(Sgd):
    elementwise = False
    vmappable = False

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / grad.norm()


@wrong("compiled_equals_eager")
class BranchOnTheStep(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad if step.t > 1 else 2 * grad


@wrong("compiled_equals_eager")
class OtherwiseWhenCompiled(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return 2 * grad if torch.compiler.is_compiling() else grad


@wrong("members_move_as_single_networks")
class StepByPosition(Sgd):
    elementwise = True

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / torch.arange(1, grad.numel() + 1, dtype=grad.dtype).view(grad.shape)


@wrong("values_per_member_count_for_each")
class FloatOfLr(Sgd):
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        parameter.sub_(grad, alpha=float(step.lr))


@wrong("values_per_member_count_for_each")
class FirstMembersLr(Sgd):
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        lr: Any = step.lr
        parameter.sub_(grad * (lr[0] if isinstance(lr, Tensor) else lr))


@wrong("values_per_member_count_for_each")
class DecayAsAlpha(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        decay: Any = self.weight_decay
        return grad.add(parameter, alpha=decay)


@wrong("values_per_member_count_for_each")
class BranchOnAField(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad + self.weight_decay * parameter if self.weight_decay else grad


@wrong("values_per_member_count_for_each")
class FirstBetaForAll(Adam):
    elementwise = True

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta: Any = self.betas[1]
        first = beta.flatten()[0] if isinstance(beta, Tensor) else beta
        v = state["v"].lerp_(grad * grad, 1 - first)
        return state["m"].lerp_(grad, 1 - self.betas[0]) / step["bias1"] / ((v / step["bias2"]).sqrt() + self.eps)


class MemoryByShape(Sgd):
    """A momentum that all tensors of one shape share."""

    memory: ClassVar[dict[Any, Tensor]] = {}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        shared = self.memory.setdefault((grad.shape, grad.dtype), torch.zeros_like(grad))
        return shared.mul_(0.9).add_(grad).clone()


@wrong("groups_move_as_separate_optimizers")
class MemoryByShapeOfTheRun(MemoryByShape):
    memory: ClassVar[dict[Any, Tensor]] = {}


@wrong("parameters_do_not_influence_each_other")
class MemoryByShapeOfTheParameter(MemoryByShape):
    elementwise = False
    vmappable = False
    memory: ClassVar[dict[Any, Tensor]] = {}


@wrong("a_step_moves_every_parameter")
class Rebinding(Sgd):
    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        parameter = parameter - step.lr * grad


@wrong("a_step_moves_every_parameter")
class FirstAxisAlone(Sgd):
    elementwise = False

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        mask = torch.zeros_like(grad)
        mask[..., 0] = 1.0
        return grad * mask


@wrong("a_step_moves_every_parameter")
class SmallGradientsDroppedInFloat32(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad if grad.dtype == torch.float64 else grad.masked_fill(grad.abs() < 1.0, 0.0)


@wrong("transposed_parameters_move_alike")
class ViewOfTheGradient(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad.view(-1).view(parameter.shape)


@wrong("rule_documents_its_formula")
class WithoutSections(Sgd):
    """Go against the gradient."""


@wrong("rule_documents_its_formula")
class WithoutVariant(Sgd):
    """Go against the gradient.

    Update:   ``θ ← θ − lr g``
    Source:   Cauchy 1847
    """


@wrong("rule_documents_its_formula")
class WithoutDocstring(Sgd):
    pass


@wrong("bad_settings_are_rejected")
class UncheckedSettings(Sgd):
    def __post_init__(self) -> None:
        pass


@wrong("bad_settings_are_rejected")
class LrOfAnySign(Optimizer):
    lr: LearningRate = hyperparameter(default=1e-3, at_least=-math.inf)


@wrong("bad_settings_are_rejected")
class ErrorOfAnotherKind(Sgd):
    def __post_init__(self) -> None:
        if self.momentum < 0:
            raise ValueError("momentum is negative")
        super().__post_init__()


@wrong("search_ranges_are_allowed")
class SearchRangeExchanged(Sgd):
    lr: LearningRate = hyperparameter(default=1e-3, at_least=0, search=(1e1, 1e-4))


@wrong("search_ranges_are_allowed")
class SearchRangeOutsideTheBounds(Sgd):
    momentum: float = hyperparameter(default=0.0, at_least=0, below=1, search=(0.0, 1.0))


@wrong("scalars_depend_on_t_alone")
class ScalarsOfACounter(Adam):
    calls: ClassVar[list[int]] = []

    def scalars(self, t: int) -> dict[str, float]:
        self.calls.append(t)
        return super().scalars(len(self.calls))


@wrong("scalars_depend_on_t_alone")
class CountedFromZero(Adam):
    def scalars(self, t: int) -> dict[str, float]:
        return {name: 1 / value for name, value in super().scalars(t - 1).items()}


@wrong("scalars_depend_on_t_alone")
class NamesThatComeAndGo(Adam):
    def scalars(self, t: int) -> dict[str, float]:
        return {**super().scalars(t), **({"early": 1.0} if t < 10 else {})}


@wrong("rule_repr_makes_it_again")
class ShortRepr(Sgd):
    def __repr__(self) -> str:
        return f"ShortRepr(momentum={self.momentum})"


@wrong("rule_copies_act_alike")
class CopiedAsDefault(Sgd):
    def __deepcopy__(self, memory: dict[int, Any]) -> Sgd:
        return type(self)()


@wrong("rule_copies_act_alike")
class HoldsAFunction(Sgd):
    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "transform", lambda grad: grad)


@wrong("values_per_member_count_for_each")
class FloatOfANumberAtItsLeast(Sgd):
    power: float = hyperparameter(default=1.0, at_least=1.0)

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad.sign() * grad.abs() ** float(self.power)
