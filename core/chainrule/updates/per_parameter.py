"""`PerParameterRule`: a rule on one parameter of one member at a time."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.base.member_values import Values, of_each_member, with_values
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.base.random_numbers import random_key
from chainrule.network import Network
from chainrule.updates.applied_rule import RuleTensors, initial_state, values_on
from chainrule.updates.chain import Chain
from chainrule.updates.moment import Moment


class Tensors(NamedTuple):
    """One parameter of one member, or of all, with the key of its random numbers, (2, 1) or (2, M)."""

    data: Tensor
    grad: Tensor
    state: State
    key: Tensor


class PerParameterRule:
    """A rule that needs a parameter's shape, sums over the network, or noise: one parameter of one member at a time."""

    def __init__(self, rule: Optimizer, network: Network, parameters: dict[str, Parameter]) -> None:
        self.rule = rule
        self.chain = Chain(rule)
        self.parameters = list(parameters.values())
        self.members = network.members
        self.values = values_on(rule, network)
        self._chains = [Chain(one) for one in of_each_member(rule, self.members)]
        self.state: list[State] = []
        self.keys: list[Tensor] = []
        for name, parameter in parameters.items():
            each = [initial_state(chain, data) for chain, data in zip(self._chains, parameter.data, strict=True)]
            with torch.inference_mode(False):
                self.state.append({entry: torch.stack([state[entry] for state in each]) for entry in each[0]})
                keys = torch.tensor([random_key(seed, f"update/{name}") for seed in network.seeds])
                self.keys.append(keys.T.contiguous().to(network.device))
        self._prepare()

    def _prepare(self) -> None:
        """Make the views that a step needs, once."""
        self._all = [
            Tensors(parameter.data, parameter.grad, state, key)
            for parameter, state, key in zip(self.parameters, self.state, self.keys, strict=True)
        ]
        with torch.inference_mode(False):
            self._of_members = [[_of_member(tensors, i) for tensors in self._all] for i in range(self.members)]
        self._states = [
            [chain.states(tensors.state) for tensors in member]
            for chain, member in zip(self._chains, self._of_members, strict=True)
        ]

    def apply(self, moment: Moment) -> None:
        numbers = {"lr": moment.lr, **{f"scalar {name}": value for name, value in moment.scalars.items()}}
        vectors = {name: value for name, value in numbers.items() if isinstance(value, Tensor) and value.dim()}
        if self.members > 1 and self.chain.vmappable:
            self._apply_batched(moment, vectors)
            return
        for i, (chain, tensors, states) in enumerate(zip(self._chains, self._of_members, self._states, strict=True)):
            own = moment_with(moment, {name: value[i] for name, value in vectors.items()})
            take(chain, tensors, states, own)

    def _apply_batched(self, moment: Moment, vectors: Values) -> None:
        dtype = self.parameters[0].data.dtype

        def apply(
            data: list[Tensor], grad: list[Tensor], state: list[State], keys: list[Tensor], values: Values, own: Values
        ) -> State:
            chain = Chain(with_values(self.rule, values))
            rows = zip(data, grad, state, keys, strict=True)
            tensors = [
                Tensors(own_data, own_grad, entries, key.unsqueeze(1)) for own_data, own_grad, entries, key in rows
            ]
            take(chain, tensors, [chain.states(one) for one in state], moment_with(moment, own))
            return {}

        data, grad, state, keys = (list(column) for column in zip(*self._all, strict=True))
        own = {name: value.to(dtype) for name, value in vectors.items()}
        torch.vmap(apply, in_dims=(0, 0, 0, 1, 0, 0))(data, grad, state, keys, self.values, own)

    def states(self) -> dict[Parameter, State]:
        return dict(zip(self.parameters, self.state, strict=True))

    def tensors(self) -> RuleTensors:
        return {"states": self.state, "values": self.values, "keys": self.keys}

    def bind(self, tensors: RuleTensors) -> None:
        self.state, self.values, self.keys = tensors["states"], tensors["values"], tensors["keys"]
        of_members = [{name: value[i] for name, value in self.values.items()} for i in range(self.members)]
        self._chains = [Chain(with_values(self.rule, own)) for own in of_members]
        self._prepare()

    def show_evaluation_parameters(self) -> None:
        for chain, member, all_states in zip(self._chains, self._of_members, self._states, strict=True):
            for tensors, states in zip(member, all_states, strict=True):
                tensors.data.copy_(chain.evaluation_parameter(tensors.data, states))


def take(chain: Chain, tensors: list[Tensors], states: list[list[State]], moment: Moment) -> None:
    """Take a step with the parameters of one member."""
    steps = [chain.steps(moment, one.key, one.data.dtype) for one in tensors]
    grads = [
        chain.change_gradient(one.data, one.grad, own, step)
        for one, own, step in zip(tensors, states, steps, strict=True)
    ]
    if chain.has_sums:
        parts = [
            chain.reduce(one.data, grad, own, step)
            for one, grad, own, step in zip(tensors, grads, states, steps, strict=True)
        ]
        sums = {name: torch.stack([part[name] for part in parts]).sum(0) for name in parts[0]}
        for step in steps:
            chain.add_sums(step, sums)
    for one, grad, own, step in zip(tensors, grads, states, steps, strict=True):
        chain.apply(one.data, grad, own, step)


def moment_with(moment: Moment, numbers: Values) -> Moment:
    """Return the moment with the numbers of one member."""
    if not numbers:
        return moment
    scalars = {name: numbers.get(f"scalar {name}", value) for name, value in moment.scalars.items()}
    return Moment(moment.t, numbers.get("lr", moment.lr), scalars, moment.due)


def _of_member(tensors: Tensors, i: int) -> Tensors:
    state = {name: entry[i] for name, entry in tensors.state.items()}
    return Tensors(tensors.data[i], tensors.grad[i], state, tensors.key[:, i : i + 1])
