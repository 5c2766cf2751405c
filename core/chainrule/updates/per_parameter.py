"""`PerParameterRule`: a rule on one parameter of one member at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.network import Network
from chainrule.updates.applied_rule import FrozenState, RuleTensors, initial_state, member_fields, step_of, with_fields
from chainrule.updates.moment import Moment


class PerParameterRule:
    """A rule that needs a parameter's shape or sums over the network: one parameter of one member at a time."""

    def __init__(self, rule: Optimizer, network: Network, parameters: list[Parameter]) -> None:
        self.rule = rule
        self.parameters = parameters
        self.fields = member_fields(rule, network)
        self.members = network.members
        self.state: list[State] = []
        for parameter in parameters:
            each = [initial_state(self._of_member(i), data) for i, data in enumerate(parameter.data)]
            with torch.inference_mode(False):
                self.state.append({name: torch.stack([state[name] for state in each]) for name in each[0]})

    def apply(self, moment: Moment) -> None:
        def reduce(data: Tensor, grad: Tensor, state: State, fields: State) -> State:
            rule = with_fields(self.rule, fields)
            return dict(rule.reduce(data, grad, FrozenState(state), step_of(rule, moment)))

        def apply(data: Tensor, grad: Tensor, state: State, fields: State, sums: State) -> State:
            rule = with_fields(self.rule, fields)
            rule.apply(data, grad, FrozenState(state), step_of(rule, moment, sums))
            return {}

        sums: State = {}
        if type(self.rule).reduce is not Optimizer.reduce:
            parts = [self._each_member(reduce, i) for i in range(len(self.parameters))]
            sums = {name: torch.stack([part[name] for part in parts]).sum(0) for name in parts[0]}
        for i in range(len(self.parameters)):
            self._each_member(apply, i, sums)

    def _each_member(self, function: Callable[..., State], i: int, *sums: State) -> State:
        """Return function's results on parameter i, by name, stacked over the members."""
        parameter = self.parameters[i]
        arguments = (parameter.data, parameter.grad, self.state[i], self.fields, *sums)
        if self.rule.vmappable and self.members > 1:
            mapped: State = torch.vmap(function)(*arguments)
            return mapped
        results = [
            function(*(_of_member(argument, member) for argument in arguments)) for member in range(self.members)
        ]
        return {name: torch.stack([result[name] for result in results]) for name in results[0]}

    def states(self) -> dict[Parameter, State]:
        return dict(zip(self.parameters, self.state, strict=True))

    def bind(self, tensors: RuleTensors) -> None:
        self.state, self.fields = tensors["states"], tensors["fields"]
        self.rule = with_fields(self.rule, tensors["numbers"])

    def show_evaluation_parameters(self) -> None:
        for parameter, states in zip(self.parameters, self.state, strict=True):
            for i, data in enumerate(parameter.data):
                data.copy_(self._of_member(i).evaluation_parameter(data, _of_member(states, i)))

    def _of_member(self, i: int) -> Optimizer:
        return with_fields(self.rule, _of_member(self.fields, i))


def _of_member(argument: Any, member: int) -> Any:
    if isinstance(argument, Tensor):
        return argument[member]
    return {name: value[member] for name, value in argument.items()}
