"""`AppliedRule`: a rule with its parameters and state, and what its two forms share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypedDict

import torch
from torch import Tensor

from chainrule.base.member_values import Values, member_values
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.errors import HyperparameterError, ShapeError, label
from chainrule.network import Network
from chainrule.updates.chain import Chain
from chainrule.updates.moment import Moment


class RuleTensors(TypedDict):
    """What an applied rule reads and changes beside its parameters and the moment.

    Keys:
        states: the state of each parameter, views (M, …).
        values: the rule's numbers that are given per member, each (M,).
        keys: the key of each parameter's random numbers, (2, M).
    """

    states: list[State]
    values: Values
    keys: list[Tensor]


class AppliedRule(Protocol):
    """A rule on some of a network's parameters."""

    rule: Optimizer
    chain: Chain
    parameters: list[Parameter]

    def apply(self, moment: Moment) -> None:
        """Apply the rule once, at this moment."""

    def states(self) -> dict[Parameter, State]:
        """Return the state of each parameter as views (M, …)."""

    def draw_as(self, seeds: Sequence[int]) -> None:
        """Draw the random numbers of members with these seeds."""

    def tensors(self) -> RuleTensors:
        """Return the tensors of the rule; `bind` takes others of the same shapes."""

    def bind(self, tensors: RuleTensors) -> None:
        """From now on apply the rule eagerly to what the parameters are bound to, with these tensors."""

    def show_evaluation_parameters(self) -> None:
        """Overwrite the parameters with those that the rule evaluates with."""


def check_member_values(rule: Optimizer, network: Network) -> None:
    """Raise HyperparameterError if a number given per member has not one value for each member."""
    for name, value in member_values(rule).items():
        if value.shape != (network.members,):
            raise HyperparameterError(
                f"{label(rule)}: {name} must be a number or one value for each of {network.members} members, "
                f"got {len(value)}. Build the network with as many seeds."
            )


def check_ranks(chain: Chain, parameters: list[Parameter]) -> None:
    """Raise ShapeError if the rule is not for parameters of these ranks."""
    for parameter in parameters:
        if len(parameter.shape) not in chain.ranks:
            raise ShapeError(
                f"{label(chain.rule)}: a parameter must have rank {' or '.join(map(str, chain.ranks))}, "
                f"got shape {tuple(parameter.shape)}. Give it another rule with param_groups."
            )


def values_on(rule: Optimizer, network: Network) -> Values:
    """Return the rule's numbers that are given per member, as tensors of its own, of the network's dtype and device."""
    data = network.flat.data
    return {name: value.detach().to(data.device, data.dtype, copy=True) for name, value in member_values(rule).items()}


def initial_state(chain: Chain, data: Tensor) -> State:
    """Return the initial state, each tensor in memory of its own."""
    with torch.inference_mode(False), torch.no_grad():
        state = chain.init(data)
        taken = {data.untyped_storage().data_ptr()}  # of state that starts as the parameter, or as other state
        for name, entry in state.items():
            memory = entry.untyped_storage().data_ptr()
            state[name] = entry.clone() if memory in taken else entry
            taken.add(memory)
        return state


def is_per_member(value: float | Tensor) -> bool:
    """Whether a number of a moment is given per member."""
    return isinstance(value, Tensor) and value.dim() > 0
