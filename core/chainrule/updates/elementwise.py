"""`ElementwiseRule`: an elementwise rule over slices of the flat buffer."""

from __future__ import annotations

import warnings

import torch

from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.errors import CompileWarning, StateError, label
from chainrule.network import Network
from chainrule.updates.applied_rule import FrozenState, RuleTensors, initial_state, member_fields, step_of, with_fields
from chainrule.updates.fused_rule import FROM_ELEMENTS, FusedRule
from chainrule.updates.moment import Moment

SLICE = 2**17
"""Elements of the flat buffer per pass, so that temporaries stay in cache."""


class ElementwiseRule:
    """An elementwise rule on parameters that are adjacent in the flat buffer."""

    def __init__(self, rule: Optimizer, network: Network, parameters: list[Parameter], *, compile: bool) -> None:
        self.rule = rule
        self.parameters = parameters
        spans = [network.flat.spans[parameter] for parameter in parameters]
        run = slice(spans[0].start, spans[-1].stop)
        data, grad = network.flat.data[run], network.flat.grad[run]
        self.fields = member_fields(rule, network)
        fields = {
            name: torch.cat([value.repeat_interleave(parameter.shape.numel()) for parameter in parameters])
            for name, value in self.fields.items()
        }
        self.state = initial_state(with_fields(rule, fields), data)
        self.compiled: FusedRule | None = None
        if compile and len(data) >= FROM_ELEMENTS:
            self.compiled = FusedRule(with_fields(rule, fields), data, grad, FrozenState(self.state))
        for name, entry in self.state.items():
            if entry.shape != data.shape:
                raise StateError(
                    f"{label(rule)}: state {name!r} of an elementwise rule must have the parameter's shape "
                    f"{tuple(data.shape)}, got {tuple(entry.shape)}. Set elementwise = False if it is not elementwise."
                )
        self.slices = []
        for first in range(0, len(data), SLICE):
            part = slice(first, first + SLICE)
            state = FrozenState({name: entry[part] for name, entry in self.state.items()})
            sliced = with_fields(rule, {name: vector[part] for name, vector in fields.items()})
            self.slices.append((sliced, data[part], grad[part], state))

    def apply(self, moment: Moment) -> None:
        if self.compiled is not None and self._apply_compiled(self.compiled, moment):
            return
        for rule, data, grad, state in self.slices:
            rule.apply(data, grad, state, step_of(rule, moment))

    def _apply_compiled(self, compiled: FusedRule, moment: Moment) -> bool:
        """Apply the fused rule; if it turns out not to compile, warn, fall back to eager and return False."""
        from torch._dynamo.exc import TorchDynamoException  # takes a second to import

        try:
            compiled(moment)
        except TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(
                f"{label(self.rule)}: cannot be compiled ({reason}). It runs eagerly; plain algebra compiles.",
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

    def bind(self, tensors: RuleTensors) -> None:
        self.compiled = None
        self.slices = []
        for parameter, state in zip(self.parameters, tensors["states"], strict=True):
            shape = (-1, *[1] * len(parameter.shape))
            fields = {name: value.view(shape) for name, value in tensors["fields"].items()}
            rule = with_fields(self.rule, {**fields, **tensors["numbers"]})
            self.slices.append((rule, parameter.data, parameter.grad, FrozenState(state)))

    def show_evaluation_parameters(self) -> None:
        for rule, data, _, state in self.slices:
            data.copy_(rule.evaluation_parameter(data, state))
