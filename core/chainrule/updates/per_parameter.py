"""`PerParameterRule`: a rule on one parameter of one member at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from chainrule.base.member_values import Values, of_each_member, with_values
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.base.random_numbers import Ahead, random_key
from chainrule.base.step import Due
from chainrule.errors import ContractError, label
from chainrule.network import Network
from chainrule.updates.applied_rule import RuleTensors, initial_state, values_on
from chainrule.updates.chain import Chain
from chainrule.updates.definition import definition
from chainrule.updates.moment import Moment, TensorMoment


class Tensors(NamedTuple):
    """One parameter of one member, or of all, with the key of its random numbers, (2, 1) or (2, M)."""

    data: Tensor
    grad: Tensor
    state: State
    key: Tensor
    ahead: Ahead | None = None


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
            self._batched = BatchedRule(self)
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
        vectors = vectors_of(moment)
        for i, (chain, tensors, states) in enumerate(self._of_members):
            take(chain, tensors, states, moment_with(moment, {name: value[i] for name, value in vectors.items()}))

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
            self._batched = BatchedRule(self, replays=False)
        self._prepare()

    def show_evaluation_parameters(self) -> None:
        for chain, member, all_states in self._of_members:
            for tensors, states in zip(member, all_states, strict=True):
                tensors.data.copy_(chain.evaluation_parameter(tensors.data, states))


RECORDINGS = 256
"""The size of the cache of recorded rules."""

_recorded: dict[object, list[tuple[Due, Callable[..., Any] | None]]] = {}
"""By all that decides which operations a rule performs, their recordings, or None where they cannot be recorded."""


class BatchedRule:
    """A rule on the parameters of all members at once, by torch.vmap over the members."""

    def __init__(self, applied: PerParameterRule, *, replays: bool = True) -> None:
        self._rule, self._values = applied.rule, applied.values
        self._tensors = applied.all_members()
        self._replays = replays
        self._moment = TensorMoment(self._tensors[0].data.device)
        self._form: object = None
        self._known: list[tuple[Due, Callable[..., Any] | None]] = []

    def __call__(self, moment: Moment) -> None:
        """Take a step at this moment."""
        replay = self._replay_of(moment) if self._replays and isinstance(moment.t, int) else None
        if replay is None:
            self._take(moment)
        else:
            replay(*self._inputs(self._moment.fill(moment)))

    def _replay_of(self, moment: Moment) -> Callable[..., Any] | None:
        """Return the recorded operations for this step, recorded now if need be; None if they cannot be."""
        form = tuple(moment.scalars), tuple(vectors_of(moment))
        if form != self._form:
            self._form, self._known = form, _recordings(self._rule, self._tensors, self._values, form)
        t = int(moment.t)
        for due, known in self._known:
            if due.holds_at(t):
                return known
        held, due, replay = self._moment.fill(moment), Due(t), None
        try:
            from chainrule.updates.recording import record  # torch's private interfaces, which may change

            replay = record(lambda *inputs: self._operations(inputs, held, due), self._inputs(held))
        except Exception:  # noqa: BLE001 - a rule whose operations depend on values runs by torch.vmap itself
            due = Due(t)  # which asks nothing, so that it is not tried again
        self._known.append((due, replay))
        return replay

    def _inputs(self, moment: Moment) -> list[Tensor]:
        """Return every tensor that a step reads, in the order in which `_operations` takes them."""
        own = [tensor for one in self._tensors for tensor in (one.data, one.grad, *one.state.values(), one.key)]
        return [*own, *self._values.values(), moment.t, moment.lr, *moment.scalars.values()]  # type: ignore[list-item]

    def _operations(self, inputs: tuple[Tensor, ...], moment: Moment, due: Due) -> None:
        rest = iter(inputs)
        tensors = [
            Tensors(next(rest), next(rest), {name: next(rest) for name in one.state}, next(rest))
            for one in self._tensors
        ]
        values = {name: next(rest) for name in self._values}
        bound = Moment(next(rest), next(rest), {name: next(rest) for name in moment.scalars}, due, moment.per_member)
        self._take(bound, tensors, values)

    def _take(self, moment: Moment, tensors: list[Tensors] | None = None, values: Values | None = None) -> None:
        from chainrule.updates.recording import AsNumbers, Batchable

        columns = zip(*(self._tensors if tensors is None else tensors), strict=True)
        data, grad, state, keys, _ = (list(column) for column in columns)
        own = {name: value.to(data[0].dtype) for name, value in vectors_of(moment).items()}

        def apply(
            data: list[Tensor], grad: list[Tensor], state: list[State], keys: list[Tensor], values: Values, own: Values
        ) -> State:
            chain = Chain(with_values(self._rule, values))
            rows = zip(data, grad, state, keys, strict=True)
            member = [Tensors(a, b, entries, key.unsqueeze(1)) for a, b, entries, key in rows]
            take(chain, member, [chain.states(entries) for entries in state], moment_with(moment, own))
            return {}

        values = self._values if values is None else values
        try:
            with Batchable(), AsNumbers():
                torch.vmap(apply, in_dims=(0, 0, 0, 1, 0, 0))(data, grad, state, keys, values, own)
        except RuntimeError as error:
            if not str(error).startswith("vmap:"):
                raise
            raise ContractError(
                f"{label(self._rule)}: a rule on several members must not depend on a tensor's value, as by if or "
                ".item(). Use torch.where, or set vmappable = False for a loop over the members."
            ) from error


def _recordings(
    rule: Optimizer, tensors: list[Tensors], values: Values, form: object
) -> list[tuple[Due, Callable[..., Any] | None]]:
    """Return the recordings of a rule on tensors of these kinds, to which new ones are added."""
    kinds = tuple((one.data.shape, one.data.dtype, *map(_kind, one.state.items())) for one in tensors)
    anyone = with_values(rule, dict.fromkeys(values, 0.0))  # the values per member are inputs
    key = anyone, definition(rule), kinds, tuple(values), tensors[0].data.device, torch.get_default_dtype(), form
    if key not in _recorded:
        if len(_recorded) == RECORDINGS:
            del _recorded[next(iter(_recorded))]  # the oldest
        _recorded[key] = []
    return _recorded[key]


def _kind(entry: tuple[str, Tensor]) -> tuple[object, ...]:
    name, tensor = entry
    return name, tensor.shape, tensor.dtype


def take(chain: Chain, tensors: list[Tensors], states: list[list[State]], moment: Moment) -> None:
    """Take a step with the parameters of one member."""
    if chain.is_simple:
        # One object serves all parameters, since making it costs as much as an operation.
        (step,) = steps = chain.steps(moment)
        for one, own in zip(tensors, states, strict=True):
            step.begin(one.key, one.data.dtype, one.ahead)
            chain.apply(one.data, one.grad, own, steps)
        return
    take_all(chain, tensors, states, [moment] * len(tensors))


def added(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the sums over all parameters, each over those that have a part of it."""
    names = dict.fromkeys(name for part in parts for name in part)  # not all, where their rules act at other steps
    return {name: torch.stack([part[name] for part in parts if name in part]).sum(0) for name in names}


def take_all(
    chain: Chain,
    tensors: list[Tensors],
    states: list[list[State]],
    moments: Sequence[Moment],
    add: Callable[[Sequence[Mapping[str, Tensor]]], Mapping[str, Tensor]] = added,
) -> None:
    """Take a step with parameters that may each be at a moment of its own.

    Args:
        chain: the rule.
        tensors: the parameters.
        states: theirs, layer by layer.
        moments: theirs.
        add: returns the sums over all parameters for those of each.
    """
    all_steps = [
        chain.steps(moment, one.key, one.data.dtype, one.ahead) for one, moment in zip(tensors, moments, strict=True)
    ]
    grads = [
        chain.change_gradient(one.data, one.grad, own, steps)
        for one, own, steps in zip(tensors, states, all_steps, strict=True)
    ]
    if chain.has_sums:
        parts = [
            chain.reduce(one.data, grad, own, steps)
            for one, grad, own, steps in zip(tensors, grads, states, all_steps, strict=True)
        ]
        sums = add(parts)
        for steps in all_steps:
            chain.add_sums(steps, sums)
    for one, grad, own, steps in zip(tensors, grads, states, all_steps, strict=True):
        chain.apply(one.data, grad, own, steps)


def vectors_of(moment: Moment) -> Values:
    """Return the numbers of a moment that are given per member."""
    if not moment.per_member:
        return {}
    numbers = {"lr": moment.lr, **{f"scalar {name}": value for name, value in moment.scalars.items()}}
    return {name: value for name, value in numbers.items() if isinstance(value, Tensor) and value.dim()}


def moment_with(moment: Moment, numbers: Values) -> Moment:
    """Return the moment with the numbers of one member."""
    if not numbers:
        return moment
    scalars = {name: numbers.get(f"scalar {name}", value) for name, value in moment.scalars.items()}
    return Moment(moment.t, numbers.get("lr", moment.lr), scalars, moment.due)


def _of_member(tensors: Tensors, i: int) -> Tensors:
    state = {name: entry[i] for name, entry in tensors.state.items()}
    return Tensors(tensors.data[i], tensors.grad[i], state, tensors.key[:, i : i + 1], {})
