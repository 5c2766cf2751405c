"""`AppliedRule`: a rule with its parameters and state, and what its two forms share."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, Protocol, TypedDict

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer, State, Step
from chainrule.base.parameter import Parameter
from chainrule.errors import HyperparameterError, ShapeError, StateError, label
from chainrule.network import Network
from chainrule.updates.moment import Moment


class RuleTensors(TypedDict):
    """What an applied rule reads and changes beside its parameters and the moment.

    Keys:
        states: the state of each parameter, views (M, …).
        fields: the rule's per-member fields, each (M,).
        numbers: fields that may differ from fit to fit, as 0-dim tensors.
    """

    states: list[State]
    fields: State
    numbers: State


class AppliedRule(Protocol):
    """A rule on some of a network's parameters."""

    rule: Optimizer
    fields: State

    def apply(self, moment: Moment) -> None:
        """Apply the rule once, at this moment."""

    def states(self) -> dict[Parameter, State]:
        """Return the state of each parameter as views (M, …)."""

    def bind(self, tensors: RuleTensors) -> None:
        """From now on apply the rule eagerly to what the parameters are bound to, with these tensors."""

    def show_evaluation_parameters(self) -> None:
        """Overwrite the parameters with those that the rule evaluates with."""


class FrozenState(dict[str, Tensor]):
    """A rule's state, whose tensors change in place but are never replaced: they are views of larger ones."""

    def __setitem__(self, name: str, value: Tensor) -> None:
        raise StateError(f'state["{name}"] must change in place, got a new tensor. Write state["{name}"].copy_(…).')

    def update(self, *_: Any, **__: Any) -> None:
        """Refuse to replace tensors."""
        raise StateError(
            "state must change in place, tensor by tensor, got update(…). Write state[name].copy_(…) for each."
        )

    __ior__ = setdefault = update  # type: ignore[assignment]


def tensors_of(applied: AppliedRule) -> RuleTensors:
    """Return the tensors of an applied rule; `bind` takes others of the same shapes."""
    lr = applied.rule.lr
    numbers = {} if isinstance(lr, Tensor) else {"lr": torch.tensor(lr, dtype=torch.float64)}
    return {"states": list(applied.states().values()), "fields": applied.fields, "numbers": numbers}


def check_member_values(rule: Optimizer, network: Network) -> None:
    """Raise HyperparameterError if a per-member field does not have one value for each member."""
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if isinstance(value, Tensor) and value.shape != (network.members,):
            raise HyperparameterError(
                f"{label(rule)}: {field.name} must be a number or one value for each of {network.members} members, "
                f"got {len(value)}. Build the network with as many seeds."
            )


def check_ranks(rule: Optimizer, parameters: list[Parameter]) -> None:
    """Raise ShapeError if the rule is not for parameters of these ranks."""
    for parameter in parameters:
        if len(parameter.shape) not in rule.ranks:
            raise ShapeError(
                f"{label(rule)}: a parameter must have rank {' or '.join(map(str, rule.ranks))}, "
                f"got shape {tuple(parameter.shape)}. Give it another rule with param_groups."
            )


def moment_of(rule: Optimizer, t: int) -> Moment:
    """Return the moment of step t for this rule."""
    return Moment(t, 1.0 if rule.schedule is None else rule.schedule(t), rule.scalars(t))


def step_of(rule: Optimizer, moment: Moment, sums: State | None = None) -> Step:
    """Return the Step that a rule gets at this moment, with the sums of its `reduce`, if any."""
    return Step(moment.t, rule.lr * moment.factor, {**moment.scalars, **sums} if sums else moment.scalars)


def member_fields(rule: Optimizer, network: Network) -> State:
    """Return the rule's per-member fields by name, each (M,), on the network's device."""
    fields = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    return {name: value.detach().to(network.flat.data) for name, value in fields.items() if isinstance(value, Tensor)}


def with_fields(rule: Optimizer, fields: State) -> Optimizer:
    """Return the rule with these fields replaced, without checking them again."""
    if not fields:
        return rule
    other = copy.copy(rule)
    for name, value in fields.items():
        object.__setattr__(other, name, value)  # frozen, and already checked
    return other


def initial_state(rule: Optimizer, data: Tensor) -> State:
    """Return the rule's initial state, in memory of its own."""
    with torch.inference_mode(False), torch.no_grad():
        state = rule.init(data)
        shared = data.untyped_storage().data_ptr()  # state that starts as the parameter must not share its memory
        return {name: e.clone() if e.untyped_storage().data_ptr() == shared else e for name, e in state.items()}
