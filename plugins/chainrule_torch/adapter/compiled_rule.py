"""`CompiledRule`: steps of a rule through compiled functions that are the same for all of its numbers."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor
from torch.autograd.graph import increment_version

from chainrule.base.optimizer import Optimizer, State
from chainrule.errors import CompileWarning, label, levels_to_the_caller
from chainrule.updates.member_step import Tensors, added
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.step_functions import StepFunctions
from chainrule_torch.adapter.step_operations import Part, StepFunction, Work

if TYPE_CHECKING:
    from chainrule_torch.adapter.group_rule import GroupRule
    from chainrule_torch.adapter.precision import Precision


class CompiledRule:
    """Takes steps of a group's rule through functions that are compiled when they are first needed.

    An elementwise rule has one for vectors of any length, any other one for each shape; one that sums over parameters
    has two, with the sums between them. A function has the step's number, its learning rate, scalars and all numbers of
    the rule but 0 as inputs, so that another value of them does not have it compiled again; another set of answers of
    `Step.every` does. A rule that cannot be compiled warns, and runs eagerly. Functions change tensors unseen by
    autograd, which the caller tells of it.
    """

    def __init__(self) -> None:
        self._functions: StepFunctions | None = None
        self._moment: Moment | None = None
        self._ready: dict[object, tuple[StepFunction, Tensor]] = {}
        self._fails = False

    def take(self, rule: GroupRule, kind: object, data: Tensor, grad: Tensor, state: State, moment: Moment) -> bool:
        """Take a step of an elementwise rule; return whether that was possible.

        Args:
            rule: the group's.
            kind: what tells apart vectors for which functions are others.
            data: a vector of parameters.
            grad: their gradients.
            state: their state.
            moment: that of the step.
        """
        work = Work((kind, grad.dtype), tuple(state), ascends=rule.maximize)
        return self.do(rule, work, [data, grad, *state.values()], moment)

    def take_row(
        self,
        rule: GroupRule,
        row: Tensors,
        moment: Moment,
        precision: Precision | None = None,
        draws: tuple[int, ...] = (),
        words: Sequence[Tensor] = (),
    ) -> bool:
        """Take a step with a parameter in its own shape; return whether that was possible.

        Args:
            rule: the group's.
            row: the parameter.
            moment: that of the step.
            precision: how it is widened and rounded, if it is.
            draws: the numbers of the draws of random bits by which it is rounded.
            words: what these follow from.
        """
        work = dataclasses.replace(_work_of(row), precision=precision, draws=draws)
        if not self.do(rule, work, [*tensors_of(row), *words], moment):
            return False
        increment_version(row.data)
        return True

    def take_with_sums(self, rule: GroupRule, rows: Sequence[Tensors], moments: Sequence[Moment]) -> bool:
        """Take a step of a rule that sums over parameters; return whether that was possible."""
        first = self._all_prepared(rule, "sums", rows, moments, {})  # before any tensor is changed
        if not first:
            return not rows
        examples = {id(function): function.sums for function, _ in first}
        rest = self._all_prepared(rule, "rest", rows, moments, added(list(examples.values())))
        if rest is None:
            return False
        parts, grads = [], []
        for row, (function, last) in zip(rows, first, strict=True):
            results = function.compiled.function([*tensors_of(row), last])
            parts.append(dict(zip(function.sums, results, strict=False)))
            grads.append(results[-1] if len(results) > len(function.sums) else row.grad)
        sums = added(parts).values()
        for row, grad, (function, last) in zip(rows, grads, rest, strict=True):
            function.compiled.function([*tensors_of(row._replace(grad=grad)), *sums, last])
            increment_version(row.data)
        return True

    def _all_prepared(
        self,
        rule: GroupRule,
        part: Part,
        rows: Sequence[Tensors],
        moments: Sequence[Moment],
        sums: Mapping[str, Tensor],
    ) -> list[tuple[StepFunction, Tensor]] | None:
        """Return what `_prepared` does for a part of a step with each parameter; None if one cannot be compiled."""
        found = []
        for row, moment in zip(rows, moments, strict=True):
            prepared = self._prepared(rule, _work_of(row, part), tensors_of(row), moment, sums)
            if prepared is None:
                return None
            found.append(prepared)
        return found

    def do(self, rule: GroupRule, work: Work, tensors: list[Tensor], moment: Moment) -> bool:
        """Do some work with its tensors; return whether that was possible."""
        found = self._prepared(rule, work, tensors, moment)
        if found is None:
            return False
        function, last = found
        function.compiled.function([*tensors, last])
        return True

    def _prepared(
        self,
        rule: GroupRule,
        work: Work,
        tensors: Sequence[Tensor],
        moment: Moment,
        sums: Mapping[str, Tensor] | None = None,
    ) -> tuple[StepFunction, Tensor] | None:
        """Return the function that does some work at a moment, and its last input; None if it cannot be compiled."""
        if self._fails:
            return None
        if moment is not self._moment:
            self._moment, self._ready = moment, {}
        form = work.form
        if form not in self._ready:
            try:
                if self._functions is None or self._functions.form is not rule.form:
                    self._functions = StepFunctions(rule)
                self._ready[form] = self._functions.find(rule, work, tensors, moment, sums or {})
            except Exception as error:  # noqa: BLE001 - whatever keeps a rule from being compiled, it may run eagerly
                reason = str(error).strip().partition("\n")[0].rstrip(".")
                self.refuse(rule.chain.rule, f"{type(error).__name__}: {reason}; plain algebra compiles")
                return None
        return self._ready[form]

    def refuse(self, rule: Optimizer, reason: str) -> None:
        """Warn that a rule runs eagerly, where the caller of chainrule and torch is; once."""
        if not self._fails:
            self._fails = True
            warnings.warn(
                f"{label(rule)}: cannot be compiled ({reason}). It runs eagerly.",
                CompileWarning,
                stacklevel=levels_to_the_caller("chainrule_torch"),
            )


def tensors_of(row: Tensors) -> list[Tensor]:
    """Return the tensors of a parameter as functions take them."""
    return [row.data, row.grad, *row.state.values(), row.key]


def _work_of(row: Tensors, part: Part = "all") -> Work:
    """Return the work with a parameter in its own shape."""
    tensors = row.data, row.grad, *row.state.values()
    kind = tuple([(each.shape, each.stride(), each.dtype, each.device) for each in tensors])
    return Work(kind, tuple(row.state), part, shaped=True)
