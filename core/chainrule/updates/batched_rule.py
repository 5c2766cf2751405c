"""`BatchedRule`: a rule on all members at once, whose operations are recorded and replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from chainrule.base.member_values import Values, with_values
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.step import Due
from chainrule.errors import ContractError, label
from chainrule.updates.chain import Chain
from chainrule.updates.definition import definition
from chainrule.updates.member_step import Tensors, take
from chainrule.updates.moment import Moment, TensorMoment, vectors_of, with_numbers

RECORDINGS = 256
"""The size of the cache of recorded rules."""

_recorded: dict[object, list[tuple[Due, Callable[..., Any] | None]]] = {}
"""By all that decides which operations a rule performs, their recordings, or None where they cannot be recorded."""


class BatchedRule:
    """A rule on the parameters of all members at once, by torch.vmap over the members.

    Args:
        rule: the rule.
        values: its numbers that are given per member.
        tensors: the parameters, with their member axis.
        replays: whether operations are recorded at the first step and replayed from then on.
    """

    def __init__(self, rule: Optimizer, values: Values, tensors: list[Tensors], *, replays: bool = True) -> None:
        self._rule, self._values, self._tensors = rule, values, tensors
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
            self._moment = TensorMoment(self._tensors[0].data.device)  # a number takes no (M,), nor the reverse
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
            take(chain, member, [chain.states(entries) for entries in state], with_numbers(moment, own))
            return {}

        values = self._values if values is None else values
        try:
            with Batchable(), AsNumbers():
                torch.vmap(apply, in_dims=(0, 0, 0, 1, 0, 0))(data, grad, state, keys, values, own)
        except RuntimeError as error:
            if not str(error).startswith("vmap:"):
                raise
            raise ContractError(f"{label(self._rule)}: a rule on several members {_refused(str(error))}") from error


def _refused(error: str) -> str:
    """Return the rule that an error of torch.vmap stands for, and the fix."""
    loop = "set vmappable = False for a loop over the members."
    if "random" in error:
        return "must draw from step.random, got a random operation of torch. Write step.random.normal(parameter.shape)."
    if any(form in error for form in ("data-dependent", ".item()", "dynamic shape")):
        return f"must not depend on a tensor's value, as by if, .item() or a mask. Use torch.where, or {loop}"
    reason, *_ = error.removeprefix("vmap: ").partition(". ")
    return f"must act as torch.vmap can batch it, got: {reason}. Write it otherwise, or {loop}"


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
