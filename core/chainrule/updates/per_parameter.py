"""`PerParameterRule`: a rule on one parameter of one member at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule.base.member_values import Values, of_each_member, with_values
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.base.random_numbers import random_key
from chainrule.network import Network
from chainrule.updates.applied_rule import RuleTensors, initial_state, values_on
from chainrule.updates.batched_rule import BatchedRule
from chainrule.updates.chain import Chain
from chainrule.updates.member_step import Tensors, take
from chainrule.updates.moment import Moment, vectors_of, with_numbers


class PerParameterRule:
    """A rule that needs a parameter's shape, sums over the network, or noise: one parameter of one member at a time.

    The rule sees views that are made once. Members are batched by torch.vmap, whose operations are recorded at the
    first step and replayed from then on.
    """

    def __init__(self, rule: Optimizer, network: Network, parameters: dict[str, Parameter]) -> None:
        self.rule = rule
        self.chain = Chain(rule)
        self.parameters = list(parameters.values())
        self.members = network.members
        self.values = values_on(rule, network)
        self._chains = [Chain(one) for one in of_each_member(rule, self.members)]
        self.state: list[State] = []
        self._names = list(parameters)
        self._of_members: list[tuple[Chain, list[Tensors], list[list[State]]]] = []
        with torch.inference_mode(False):
            self.keys = [torch.zeros(2, self.members, dtype=torch.int64, device=network.device) for _ in parameters]
        self.draw_as(network.seeds)
        # By tensors, as at the steps: a term that one member sets to 0 has its state.
        chains = [Chain(with_values(rule, own)) for own in self._values_of_members()]
        for parameter in self.parameters:
            each = [initial_state(chain, data) for chain, data in zip(chains, parameter.data, strict=True)]
            with torch.inference_mode(False):
                self.state.append({entry: torch.stack([state[entry] for state in each]) for entry in each[0]})
        self._batched: BatchedRule | None = None
        if self.members > 1 and self.chain.vmappable:
            self._batched = BatchedRule(rule, self.values, self.all_members())
        self._prepare()

    def _prepare(self) -> None:
        """Make the views of each member that a step needs, once."""
        self._of_members = []
        with torch.inference_mode(False):
            for i, chain in enumerate(self._chains):
                own = [_of_member(tensors, i) for tensors in self.all_members()]
                self._of_members.append((chain, own, [chain.states(tensors.state) for tensors in own]))

    def _values_of_members(self) -> list[Values]:
        return [{name: value[i] for name, value in self.values.items()} for i in range(self.members)]

    def all_members(self) -> list[Tensors]:
        """Return each parameter with its member axis."""
        rows = zip(self.parameters, self.state, self.keys, strict=True)
        return [Tensors(parameter.data, parameter.grad, state, key) for parameter, state, key in rows]

    def apply(self, moment: Moment) -> None:
        if self._batched is not None:
            self._batched(moment)
            return
        if isinstance(moment.t, Tensor):
            from chainrule.updates.recording import AsNumbers

            with AsNumbers():
                self._take_each(moment)
        else:
            self._take_each(moment)

    def _take_each(self, moment: Moment) -> None:
        """Take a step with one member after the other."""
        dtype = self.parameters[0].data.dtype  # in which numbers of state stay as they are
        vectors = {name: value.to(dtype) for name, value in vectors_of(moment).items()}
        for i, (chain, tensors, states) in enumerate(self._of_members):
            take(chain, tensors, states, with_numbers(moment, {name: value[i] for name, value in vectors.items()}))

    def draw_as(self, seeds: Sequence[int]) -> None:
        for name, key in zip(self._names, self.keys, strict=True):
            key.copy_(torch.tensor([random_key(seed, f"update/{name}") for seed in seeds], device="cpu").T)
        for _, own, _ in self._of_members:
            for tensors in own:
                (tensors.ahead or {}).clear()

    def states(self) -> dict[Parameter, State]:
        return dict(zip(self.parameters, self.state, strict=True))

    def tensors(self) -> RuleTensors:
        return {"states": self.state, "values": self.values, "keys": self.keys}

    def bind(self, tensors: RuleTensors) -> None:
        self.state, self.values, self.keys = tensors["states"], tensors["values"], tensors["keys"]
        self._chains = [Chain(with_values(self.rule, own)) for own in self._values_of_members()]
        if self._batched is not None:
            self._batched = BatchedRule(self.rule, self.values, self.all_members(), replays=False)
        self._prepare()

    def show_evaluation_parameters(self) -> None:
        for chain, member, all_states in self._of_members:
            for tensors, states in zip(member, all_states, strict=True):
                tensors.data.copy_(chain.evaluation_parameter(tensors.data, states))


def _of_member(tensors: Tensors, i: int) -> Tensors:
    state = {name: entry[i] for name, entry in tensors.state.items()}
    return Tensors(tensors.data[i], tensors.grad[i], state, tensors.key[:, i : i + 1], {})
