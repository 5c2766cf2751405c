"""`GroupRule`: the rule of a parameter group, at the group's present settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from chainrule import ChainruleError, ShapeError
from chainrule.base.optimizer import State
from chainrule.base.step import Step
from chainrule.base.wrapper import with_any_lr
from chainrule.errors import label
from chainrule.updates.chain import Chain
from chainrule.updates.clock import Clock
from chainrule.updates.elementwise import SLICE
from chainrule.updates.member_step import Tensors
from chainrule.updates.moment import Moment
from chainrule.updates.watching import is_elementwise
from chainrule_torch.adapter.compiled_rule import CompiledRule
from chainrule_torch.adapter.group_settings import GroupSettings
from chainrule_torch.adapter.placement import check_placement, distributed
from chainrule_torch.adapter.runs import TakeRows, take_rows
from chainrule_torch.adapter.shard_trial import shares_of_sums


class GroupRule:
    """The rule of a parameter group, made again only where a setting has changed.

    Whether it is elementwise is asked once for all values of its numbers that may be given per member: a rule may ask
    whether one is 0, by `present`, and nothing else.

    Args:
        settings: of the rule.
        group: the parameter group.
        compile: whether steps on vectors are to be compiled.

    Attributes:
        chain: the rule inside its wrappers.
        clock: gives the moments of its steps.
        elementwise: whether each element's update depends on that element alone.
        begins_alike: whether it is elementwise, and its initial state is that of any parameter.
        maximize: whether to step along the gradient instead of against it, where the rule does not do so itself.
        compiled: what takes compiled steps, if any.
        decay: the weight decay that acts beside the rule.
        shares: where parameters are cut among processes, what `shares_of_sums` finds of the rule.
        form: what decides which operations the rule performs; the same object until that changes.
    """

    def __init__(self, settings: GroupSettings, group: Mapping[str, Any], *, compile: bool = False) -> None:
        self._settings, self.chain = settings, Chain(settings.rule)
        self._values: list[Any] | None = None
        self.form: list[Any] = []
        self.compiled = CompiledRule() if compile else None
        first = next(iter(group["params"]), torch.empty(0, device="cpu"))
        self._first = first if first.is_floating_point() else torch.empty(0, device="cpu")  # until it is refused
        self.follow(group)

    def follow(self, group: Mapping[str, Any]) -> None:
        """Take the group's present settings.

        Raises:
            HyperparameterError: if a setting is outside its bounds.
        """
        self.decay = self._settings.decay_of(group)
        self.maximize = self._settings.ascends_apart and group["maximize"]
        values = self._settings.values(group)
        if values == self._values:
            return
        changes = dict(zip(self._settings.fields, values, strict=True))
        if self._values is not None:
            known = zip(changes, self._values, strict=True)
            changes = {key: changes[key] for key, value in known if changes[key] != value}
        rule = self._settings.changed(self.chain.rule, changes)
        self.chain = Chain(rule)
        self.clock = Clock(self.chain, 1, self._first.device, self._first.dtype)
        form = self._settings.form(values)
        if self._values is None or form != self.form:
            self.elementwise, self.form = is_elementwise(with_any_lr(rule)), form
            self.begins_alike = self.elementwise and _begins_alike(self.chain)
            self.shares = shares_of_sums(rule) if distributed(group["params"]) else None
        self._values = values

    def check(self, parameters: Collection[Tensor]) -> None:
        """Raise ChainruleError unless the rule is for such parameters."""
        known, owner = self.chain.ranks, label(self.chain.rule)
        kinds: dict[object, Tensor] = {}
        for parameter in parameters:
            if is_lazy(parameter):
                raise ShapeError(
                    f"{owner}: a parameter must have its shape, got one of a lazy module before its first call. "
                    "Call the module once."
                )
            kinds.setdefault((parameter.dtype, parameter.dim()), parameter)
        for parameter in kinds.values():
            if not parameter.is_floating_point():
                fix = "Train torch.view_as_real of it" if parameter.is_complex() else "Convert it, as by .float()"
                raise ChainruleError(
                    f"{owner}: a parameter must have real floating-point numbers, got {parameter.dtype}. "
                    f"{fix}, or leave it out."
                )
            if parameter.dim() not in known:
                raise ShapeError(
                    f"{owner}: a parameter must have rank {' or '.join(map(str, known))}, "
                    f"got shape {tuple(parameter.shape)}. "
                    "Leave it out of its param_groups, and give it to another optimizer."
                )
        check_placement(self.chain, parameters, elementwise=self.elementwise)

    def take(self, kind: object, data: Tensor, grad: Tensor, state: State, moment: Moment) -> None:
        """Take a step of an elementwise rule on vectors, in pieces whose temporaries a processor's cache holds.

        Args:
            kind: what is the same of all vectors for which operations are.
            data: the parameters.
            grad: their gradients.
            state: their state.
            moment: that of the step.
        """
        if self.compiled is not None and self.compiled.take(self, kind, data, grad, state, moment):
            return
        steps, size = self.chain.steps(moment), len(data)
        piece = SLICE if data.device.type == "cpu" else max(size, 1)
        for first in range(0, size, piece):
            if size > piece:
                span = slice(first, first + piece)
                own = {name: entry[span] for name, entry in state.items()}
                self._take(data[span], grad[span], self.chain.states(own), steps)
            else:
                self._take(data, grad, self.chain.states(state), steps)

    def _take(self, data: Tensor, grad: Tensor, states: list[State], steps: list[Step]) -> None:
        if self.decay:
            data.mul_(1 - steps[0].lr * self.decay)
        if self.maximize:
            grad = -grad
        self.chain.apply(data, self.chain.change_gradient(data, grad, states, steps), states, steps)

    def take_each(self, rows: Sequence[Tensors], moments: Sequence[Moment], take: TakeRows = take_rows) -> None:
        """Take a step with parameters in their own shapes, each at a moment of its own, against their gradients."""
        done = 0 if self.compiled is None else self._take_compiled(self.compiled, rows, moments)
        rows, moments = rows[done:], moments[done:]
        if self.decay:
            for row, moment in zip(rows, moments, strict=True):
                row.data.mul_(1 - moment.lr * self.decay)
        if rows:
            take(self.chain, rows, moments)

    def _take_compiled(self, compiled: CompiledRule, rows: Sequence[Tensors], moments: Sequence[Moment]) -> int:
        """Take a step with the first of some parameters, and return how many of them could be compiled."""
        if self.chain.has_sums:
            return len(rows) if compiled.take_with_sums(self, rows, moments) else 0
        pairs = zip(rows, moments, strict=True)
        return next((i for i, (row, moment) in enumerate(pairs) if not compiled.take_row(self, row, moment)), len(rows))


def _begins_alike(chain: Chain) -> bool:
    """Whether a rule's initial state has one number everywhere, whatever the parameter."""
    samples = torch.zeros(2, device="cpu"), torch.zeros(3, device="cpu")
    found = []
    for sample in samples:
        try:
            with torch.inference_mode(False), _Blind(sample):
                found.append(chain.init(sample))
        except _ReadsError:
            return False
    pairs = zip(*map(dict.values, found), strict=True)
    return all(len({number for entry in pair for number in entry.flatten().tolist()}) <= 1 for pair in pairs)


class _ReadsError(Exception):
    """An operation reads the values of the parameter."""


class _Blind(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses to operate on the values of a tensor; those like it may be made."""

    def __init__(self, sample: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sample = sample

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, since torch imports its compiler to keep the compiler out, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket not in _MAKING and any(each is self._sample for each in args):
            raise _ReadsError
        return func(*args, **(kwargs or {}))


_MAKING = {
    getattr(torch.ops.aten, name)
    for name in ("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty")
}
