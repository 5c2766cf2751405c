"""How a rule meets parameters: over slices of the flat buffer, or parameter by parameter and member by member."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable
from typing import Any, Protocol, TypedDict

import torch
from torch import Tensor

from chainrule.compiled_rule import FROM_ELEMENTS, CompiledRule
from chainrule.errors import CompileWarning, HyperparameterError, ShapeError, StateError, label
from chainrule.moment import Moment
from chainrule.network import Network
from chainrule.optimizer import Optimizer, State, Step
from chainrule.parameter import Parameter

SLICE = 2**17
"""Elements of the flat buffer per pass: temporaries then stay in cache."""


class RunTensors(TypedDict):
    """What a run reads and changes beside its parameters and its moment.

    Keys:
        states: the state of each parameter, views (M, …).
        fields: the rule's per-member fields, each (M,).
        numbers: as 0-dim tensors, what may be another number in every fit.
    """

    states: list[State]
    fields: State
    numbers: State


class Run(Protocol):
    """One rule on some of a network's parameters."""

    rule: Optimizer
    fields: State

    def apply(self, moment: Moment) -> None:
        """Apply the rule once, at this moment."""

    def states(self) -> dict[Parameter, State]:
        """Return the state of each parameter as views (M, …)."""

    def bind(self, tensors: RunTensors) -> None:
        """Step from now on, uncompiled, on what the parameters are bound to and on these tensors."""

    def show_evaluation_parameters(self) -> None:
        """Overwrite the parameters with those that the rule evaluates."""


class ElementwiseRun:
    """An elementwise rule on parameters that follow each other in the flat buffer."""

    def __init__(self, rule: Optimizer, network: Network, parameters: list[Parameter], *, compile: bool) -> None:
        self.rule = rule
        self.parameters = parameters
        spans = [network.flat.spans[parameter] for parameter in parameters]
        run = slice(spans[0].start, spans[-1].stop)
        data, grad = network.flat.data[run], network.flat.grad[run]
        self.fields = _member_fields(rule, network)
        fields = {
            name: torch.cat([value.repeat_interleave(parameter.shape.numel()) for parameter in parameters])
            for name, value in self.fields.items()
        }
        self.state = _initial_state(_with_fields(rule, fields), data)
        self.compiled: CompiledRule | None = None
        if compile and len(data) >= FROM_ELEMENTS:
            self.compiled = CompiledRule(_with_fields(rule, fields), data, grad, _FrozenState(self.state))
        for name, entry in self.state.items():
            if entry.shape != data.shape:
                raise StateError(
                    f"{label(rule)}: state {name!r} of an elementwise rule must have the parameter's shape "
                    f"{tuple(data.shape)}, got {tuple(entry.shape)}. Set elementwise = False if it is not elementwise."
                )
        self.slices = []
        for first in range(0, len(data), SLICE):
            part = slice(first, first + SLICE)
            state = _FrozenState({name: entry[part] for name, entry in self.state.items()})
            sliced = _with_fields(rule, {name: vector[part] for name, vector in fields.items()})
            self.slices.append((sliced, data[part], grad[part], state))

    def apply(self, moment: Moment) -> None:
        if self.compiled is not None and self._apply_compiled(self.compiled, moment):
            return
        for rule, data, grad, state in self.slices:
            rule.apply(data, grad, state, _step(rule, moment))

    def _apply_compiled(self, compiled: CompiledRule, moment: Moment) -> bool:
        """Apply the compiled rule; if it turns out that it cannot be compiled, warn, give it up and return False."""
        from torch._dynamo.exc import TorchDynamoException  # takes a second to import

        try:
            compiled(moment)
        except TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(
                f"{label(self.rule)}: cannot be compiled ({reason}). It runs uncompiled; plain algebra compiles.",
                CompileWarning,
                stacklevel=4,
            )
            self.compiled = None
        return self.compiled is not None

    def states(self) -> dict[Parameter, State]:
        found, start = {}, 0
        for parameter in self.parameters:
            shape = parameter.data.shape
            stop = start + shape.numel()
            found[parameter] = {name: entry[start:stop].view(shape) for name, entry in self.state.items()}
            start = stop
        return found

    def bind(self, tensors: RunTensors) -> None:
        self.compiled = None
        self.slices = []
        for parameter, state in zip(self.parameters, tensors["states"], strict=True):
            shape = (-1, *[1] * len(parameter.shape))
            fields = {name: value.view(shape) for name, value in tensors["fields"].items()}
            rule = _with_fields(self.rule, {**fields, **tensors["numbers"]})
            self.slices.append((rule, parameter.data, parameter.grad, _FrozenState(state)))

    def show_evaluation_parameters(self) -> None:
        for rule, data, _, state in self.slices:
            data.copy_(rule.evaluation_parameter(data, state))


class ParameterRun:
    """A rule that needs a parameter's shape, or sums over the whole network: one parameter of one member at a time."""

    def __init__(self, rule: Optimizer, network: Network, parameters: list[Parameter]) -> None:
        self.rule = rule
        self.parameters = parameters
        self.fields = _member_fields(rule, network)
        self.members = network.members
        self.state: list[State] = []
        for parameter in parameters:
            each = [_initial_state(self._of_member(i), data) for i, data in enumerate(parameter.data)]
            with torch.inference_mode(False):
                self.state.append({name: torch.stack([state[name] for state in each]) for name in each[0]})

    def apply(self, moment: Moment) -> None:
        def reduce(data: Tensor, grad: Tensor, state: State, fields: State) -> State:
            rule = _with_fields(self.rule, fields)
            return dict(rule.reduce(data, grad, _FrozenState(state), _step(rule, moment)))

        def apply(data: Tensor, grad: Tensor, state: State, fields: State, sums: State) -> State:
            rule = _with_fields(self.rule, fields)
            rule.apply(data, grad, _FrozenState(state), _step(rule, moment, sums))
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

    def bind(self, tensors: RunTensors) -> None:
        self.state, self.fields = tensors["states"], tensors["fields"]
        self.rule = _with_fields(self.rule, tensors["numbers"])

    def show_evaluation_parameters(self) -> None:
        for parameter, states in zip(self.parameters, self.state, strict=True):
            for i, data in enumerate(parameter.data):
                data.copy_(self._of_member(i).evaluation_parameter(data, _of_member(states, i)))

    def _of_member(self, i: int) -> Optimizer:
        return _with_fields(self.rule, _of_member(self.fields, i))


class _FrozenState(dict[str, Tensor]):
    """A rule's state, whose tensors change in place but are never exchanged: they are views of larger ones."""

    def __setitem__(self, name: str, value: Tensor) -> None:
        raise StateError(f'state["{name}"] must be changed in place, got a new tensor. Write state["{name}"].copy_(…).')

    def update(self, *_: Any, **__: Any) -> None:
        raise StateError("state must be changed tensor by tensor, got update(…). Write state[name].copy_(…) for each.")

    __ior__ = setdefault = update  # type: ignore[assignment]


def tensors_of(run: Run) -> RunTensors:
    """Return the tensors of a run, to be bound to others like them."""
    lr = run.rule.lr
    numbers = {} if isinstance(lr, Tensor) else {"lr": torch.tensor(lr, dtype=torch.float64)}
    return {"states": list(run.states().values()), "fields": run.fields, "numbers": numbers}


def check_member_values(rule: Optimizer, network: Network) -> None:
    """Raise HyperparameterError if a per-member field has not one value for each member."""
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
    """Return what the rule needs to know of step t."""
    return Moment(t, 1.0 if rule.schedule is None else rule.schedule(t), rule.scalars(t))


def _step(rule: Optimizer, moment: Moment, sums: State | None = None) -> Step:
    return Step(moment.t, rule.lr * moment.factor, {**moment.scalars, **sums} if sums else moment.scalars)


def _member_fields(rule: Optimizer, network: Network) -> State:
    fields = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    return {name: value.detach().to(network.flat.data) for name, value in fields.items() if isinstance(value, Tensor)}


def _with_fields(rule: Optimizer, fields: State) -> Optimizer:
    if not fields:
        return rule
    other = copy.copy(rule)
    for name, value in fields.items():
        object.__setattr__(other, name, value)  # frozen, and already checked
    return other


def _initial_state(rule: Optimizer, data: Tensor) -> State:
    with torch.inference_mode(False), torch.no_grad():
        state = rule.init(data)
        shared = data.untyped_storage().data_ptr()  # a state that starts as the parameter must not be the parameter
        return {name: e.clone() if e.untyped_storage().data_ptr() == shared else e for name, e in state.items()}


def _of_member(argument: Any, member: int) -> Any:
    if isinstance(argument, Tensor):
        return argument[member]
    return {name: value[member] for name, value in argument.items()}
