"""`Wrapper`: the parent class of rules around another rule."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from chainrule.arguments import advice, is_description, shown
from chainrule.base.annotations import own_annotations
from chainrule.base.class_attributes import check_methods
from chainrule.base.optimizer import LearningRate, Optimizer, State
from chainrule.base.step import Step
from chainrule.errors import ContractError, HyperparameterError, label


class Wrapper(Optimizer):
    """A rule around another one, whose gradient, direction or parameters after the step it changes.

    A subclass declares fields as any optimizer does, and writes one or more of `change_gradient`, `change_direction`,
    `after_step` and `evaluation_parameter`, which get its own state from `init` and its own scalars and sums. The inner
    rule's state, scalars, sums, per-member fields, learning rate and schedule are composed by the core. `reduce` and
    `change_direction` get the gradient that the innermost rule gets. A wrapper whose inner rule is to step less often
    than itself says how often in `inner_period`.

    Raises:
        HyperparameterError: if inner is not an optimizer, or has no direction for `change_direction` to change.
    """

    lr: ClassVar[Any] = property(lambda self: self.inner.lr)  # type: ignore[misc]  # no field
    schedule: ClassVar[Any] = property(lambda self: self.inner.schedule)  # type: ignore[misc]

    inner: Optimizer
    """The rule inside, which may be a wrapper again."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        for name in ("update", "apply", "lr", "schedule"):
            if name in vars(cls) or name in own_annotations(cls):
                raise ContractError(
                    f"{label(cls)}: a wrapper must leave {name} to the inner rule, got one of its own. "
                    "Write change_gradient, change_direction or after_step."
                )
        super().__init_subclass__(**kwargs)
        check_methods(cls, Wrapper, "change_gradient", "change_direction", "after_step", "inner_period")

    def __post_init__(self) -> None:
        inner = self.inner
        if not isinstance(inner, Optimizer):
            fix = advice("optimizer", inner)
            is_groups = isinstance(inner, Mapping) or hasattr(inner, "groups")  # as of param_groups
            if is_groups and not is_description(inner):
                fix = f'Wrap each rule: param_groups({{"*": {label(self)}(inner=adam())}}).'
            raise HyperparameterError(f"{label(self)}: inner must be an optimizer, got {shown(inner)}. {fix}")
        super().__post_init__()
        if type(self).change_direction is not Wrapper.change_direction:
            innermost = layers_of(inner)[-1]
            if type(innermost).apply is not Optimizer.apply:
                raise HyperparameterError(
                    f"{label(self)}: inner must return a direction from update, got {label(innermost)}, which has an "
                    "apply of its own. Wrap a rule without one."
                )

    def change_gradient(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:  # noqa: ARG002
        """Return the gradient for the inner rule, as a new tensor; called once a step, before any `reduce`."""
        return grad

    def change_direction(
        self,
        parameter: Tensor,  # noqa: ARG002
        grad: Tensor,  # noqa: ARG002
        direction: Tensor,
        state: State,  # noqa: ARG002
        step: Step,  # noqa: ARG002
    ) -> Tensor:
        """Return the direction to descend along in place of the inner rule's; weight decay acts apart from it."""
        return direction

    def after_step(self, parameter: Tensor, state: State, step: Step) -> None:
        """Change parameter or state in place once the inner rule has taken its step."""

    def inner_period(self) -> int:
        """Return k for an inner rule that steps at t = k, 2k, … alone, and counts its own t; 1 by default.

        In between, nothing inside this wrapper acts, decay included, and there is no direction to change: what acts is
        `change_gradient`, `reduce` and `after_step` of this wrapper and those around it.
        """
        return 1


def layers_of(rule: Optimizer) -> list[Optimizer]:
    """Return the rule's wrappers, outermost first, and the rule inside them.

    Raises:
        ContractError: if it is no rule, as what is registered among the optimizers need not be.
    """
    if not isinstance(rule, Optimizer):
        raise ContractError(
            f"optimizer: the rule must inherit from chainrule.Optimizer, got {shown(rule)}. Let its class do so."
        )
    layers = [rule]
    while isinstance(layers[-1], Wrapper):
        layers.append(layers[-1].inner)
    return layers


def with_lr(rule: Optimizer, lr: LearningRate) -> Optimizer:
    """Return the rule with another learning rate, which is the inner rule's where there are wrappers."""
    if isinstance(rule, Wrapper):
        return dataclasses.replace(rule, inner=with_lr(rule.inner, lr))
    return dataclasses.replace(rule, lr=lr)


def with_any_lr(rule: Optimizer) -> Optimizer:
    """Return the rule with learning rate 1, be it allowed or not: equal for rules that differ in theirs alone."""
    other = copy.copy(rule)
    name, value = ("inner", with_any_lr(rule.inner)) if isinstance(rule, Wrapper) else ("lr", 1.0)
    object.__setattr__(other, name, value)
    return other


def period_of(wrapper: Wrapper) -> int:
    """Return how many of its steps a wrapper takes for one of its inner rule.

    Raises:
        ContractError: if that is no whole number of at least 1.
    """
    period: Any = wrapper.inner_period()
    if not isinstance(period, int) or period < 1:
        raise ContractError(
            f"{label(wrapper)}: inner_period must return a whole number of at least 1, got {shown(period)}. "
            "Return a field declared as k: int = hyperparameter(at_least=1), for example."
        )
    return period
