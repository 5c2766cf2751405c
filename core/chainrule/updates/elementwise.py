"""`ElementwiseRule`: an elementwise rule over slices of the flat buffer."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.base.member_values import with_values
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.parameter import Parameter
from chainrule.errors import CompileWarning, ContractError, label, levels_to_the_caller
from chainrule.network import Network
from chainrule.updates.applied_rule import RuleTensors, initial_state, values_on
from chainrule.updates.chain import Chain
from chainrule.updates.fused_rule import FROM_ELEMENTS, FusedRule
from chainrule.updates.moment import Moment

SLICE = 2**17
"""Elements of the flat buffer per pass, so that temporaries stay in cache."""


class Piece(NamedTuple):
    """What a pass works on, with a function that broadcasts a vector of numbers over its elements."""

    chain: Chain
    data: Tensor
    grad: Tensor
    states: list[State]
    over_elements: Callable[[Tensor], Tensor]


@dataclass(slots=True)
class Vector:
    """A number for each element of a run of parameters, equal within a member.

    Attributes:
        whole: in the order of the flat buffer.
        parts: its views (M, n), one for each parameter.
        value: the numbers (M,) that it holds.
    """

    whole: Tensor
    parts: list[Tensor]
    value: Tensor | None = None

    @classmethod
    def over(cls, parameters: list[Parameter]) -> Vector:
        """Return one without values."""
        whole = torch.cat([parameter.data.flatten() for parameter in parameters])
        parts, start = [], 0
        for parameter in parameters:
            stop = start + parameter.data.numel()
            parts.append(whole[start:stop].view(len(parameter.data), -1))
            start = stop
        return cls(whole, parts)


class ElementwiseRule:
    """An elementwise rule on parameters that are adjacent in the flat buffer."""

    def __init__(self, rule: Optimizer, network: Network, parameters: list[Parameter], *, compile: bool) -> None:
        self.rule = rule
        self.chain = Chain(rule)
        self.parameters = parameters
        spans = [network.flat.spans[parameter] for parameter in parameters]
        run = slice(spans[0].start, spans[-1].stop)
        data, grad = network.flat.data[run], network.flat.grad[run]
        self.values = values_on(rule, network)
        self._vectors: dict[str, Vector] = {}
        self._bound = False
        repeated = {name: self._vector(f"field {name}", value) for name, value in self.values.items()}
        self.state = initial_state(Chain(with_values(rule, repeated)), data)
        for name, entry in self.state.items():
            if entry.shape != data.shape:
                raise ContractError(
                    f"{label(rule)}: state {name!r} of an elementwise rule must have the parameter's shape "
                    f"{tuple(data.shape)}, got {tuple(entry.shape)}. Set elementwise = False if it is not elementwise."
                )
        self.compiled: FusedRule | None = None
        if compile and len(data) >= FROM_ELEMENTS:
            self.compiled = FusedRule(with_values(rule, repeated), data, grad, self.state)
        self.pieces = []
        for first in range(0, len(data), SLICE):
            part = itemgetter(slice(first, first + SLICE))
            chain = Chain(with_values(rule, {name: part(vector) for name, vector in repeated.items()}))
            states = chain.states({name: part(entry) for name, entry in self.state.items()})
            self.pieces.append(Piece(chain, part(data), part(grad), states, part))

    def apply(self, moment: Moment) -> None:
        if moment.per_member and not self._bound:  # over a bound parameter, numbers per member broadcast
            moment = _converted(moment, self._vector)
        if self.compiled is not None and self._apply_compiled(self.compiled, moment):
            return
        steps = self.chain.steps(moment)
        for chain, data, grad, states, over_elements in self.pieces:
            if moment.per_member:
                steps = chain.steps(_converted(moment, lambda _, value: over_elements(value)))  # noqa: B023 - at once
            chain.apply(data, chain.change_gradient(data, grad, states, steps), states, steps)

    def _vector(self, name: str, value: Tensor) -> Tensor:
        """Return a number for each member (M,) as one for each element, in a vector that the name's next call reuses.

        The learning rate's name is empty.
        """
        if name not in self._vectors:
            with torch.inference_mode(False):
                self._vectors[name] = Vector.over(self.parameters)
        vector = self._vectors[name]
        if vector.value is not value:  # as a learning rate is without a schedule
            vector.value, column = value, value.to(vector.whole.dtype).unsqueeze(1)
            for part in vector.parts:
                part.copy_(column)
        return vector.whole

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
                stacklevel=levels_to_the_caller(),
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

    def draw_as(self, seeds: Sequence[int]) -> None:
        pass

    def tensors(self) -> RuleTensors:
        return {"states": list(self.states().values()), "values": self.values, "keys": []}

    def bind(self, tensors: RuleTensors) -> None:
        self.compiled = None
        self.pieces = []
        for parameter, state in zip(self.parameters, tensors["states"], strict=True):
            over_elements = partial(_over_axes, dtype=parameter.data.dtype, axes=len(parameter.shape))
            values = {name: over_elements(value) for name, value in tensors["values"].items()}
            chain = Chain(with_values(self.rule, values))
            self.pieces.append(Piece(chain, parameter.data, parameter.grad, chain.states(state), over_elements))
        self._bound = True

    def show_evaluation_parameters(self) -> None:
        for chain, data, _, states, _ in self.pieces:
            data.copy_(chain.evaluation_parameter(data, states))


def _over_axes(value: Tensor, *, dtype: torch.dtype, axes: int) -> Tensor:
    """Return numbers per member (M,) as (M, 1, …), of a dtype."""
    return value.to(dtype).view(-1, *[1] * axes)


def _converted(moment: Moment, convert: Callable[[str, Tensor], Tensor]) -> Moment:
    """Return the moment with its vectors of numbers converted."""
    lr, scalars = moment.lr, moment.scalars
    return dataclasses.replace(
        moment,
        lr=convert("", lr) if isinstance(lr, Tensor) and lr.dim() else lr,
        scalars={
            name: convert(name, value) if isinstance(value, Tensor) and value.dim() else value
            for name, value in scalars.items()
        },
    )
