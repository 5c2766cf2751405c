"""`CompiledRule`: steps of a rule through compiled functions that are the same for all of its numbers."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.base.member_values import with_values
from chainrule.base.optimizer import Optimizer, State
from chainrule.base.step import Due
from chainrule.errors import CompileWarning, label
from chainrule.updates.chain import Chain
from chainrule.updates.fused_rule import first_use
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.group_settings import numbers_of

if TYPE_CHECKING:
    from chainrule_torch.adapter.compiling import Compiled
    from chainrule_torch.adapter.group_rule import GroupRule


class CompiledRule:
    """Takes steps of a group's rule through functions that are compiled when they are first needed.

    An elementwise rule has one for vectors of any length, any other one for each shape. A function has the step's
    number, its learning rate, scalars and all numbers of the rule but 0 as inputs, so that another value of them does
    not have it compiled again; another set of answers of `Step.every` does. A rule that cannot be compiled warns, and
    runs eagerly. Functions change tensors unseen by autograd, which the caller tells of it.
    """

    def __init__(self) -> None:
        self._known: dict[object, list[tuple[Due, Compiled]]] = {}
        self._moment: Moment | None = None
        self._ready: dict[object, tuple[Callable[[list[Tensor]], object], Tensor]] = {}
        self._fails = False

    def take(
        self, rule: GroupRule, kind: object, data: Tensor, grad: Tensor, state: State, moment: Moment, *key: Tensor
    ) -> bool:
        """Take a step; return whether that was possible.

        Args:
            rule: the group's.
            kind: what tells apart tensors for which functions are others.
            data: the parameter, or a vector of parameters.
            grad: its gradient; where it has a shape, what to step against.
            state: its state.
            moment: that of the step.
            key: that of its random numbers, where it has a shape; else all are vectors.
        """
        if self._fails:
            return False
        if moment is not self._moment:
            self._moment, self._ready = moment, {}
        if kind not in self._ready:
            try:
                tensors = [data, grad if key else data, *state.values(), *key]
                self._ready[kind] = self._prepared(rule, kind, tensors, list(state), moment)
            except Exception as error:  # noqa: BLE001 - whatever keeps a rule from being compiled, it may run eagerly
                reason = str(error).strip().partition("\n")[0].rstrip(".")
                self.refuse(rule.chain.rule, f"{type(error).__name__}: {reason}; plain algebra compiles")
                return False
        function, prepared = self._ready[kind]
        function([data, grad, *state.values(), *key, prepared])
        return True

    def _prepared(
        self, rule: GroupRule, kind: object, tensors: Sequence[Tensor], names: Sequence[str], moment: Moment
    ) -> tuple[Callable[[list[Tensor]], object], Tensor]:
        """Return the function for a moment, and its last input."""
        fields = numbers_of(rule.chain.rule)
        t: Any = moment.t
        values: list[Any] = [t, moment.lr, 1 - moment.lr * rule.decay, *fields.values(), *moment.scalars.values()]
        numbers = torch.tensor(values, dtype=torch.float64, device=tensors[0].device)
        is_shaped = len(tensors) > 2 + len(names)
        decays, maximizes = rule.decay != 0, rule.maximize and not is_shaped
        form = str(rule.form), decays, maximizes, *fields, *moment.scalars
        known = self._known.setdefault((kind, form), [])
        for due, one in known:
            if due.holds_at(t):
                return one.function, one.prepare(numbers)
        from chainrule_torch.adapter.compiling import compiled_for_shapes, compiled_for_vectors  # takes a second

        due = Due(t)

        def operations(data: Tensor, grad: Tensor, *rest: Tensor) -> None:
            inputs = iter([rest[-1][i] for i in range(len(values))])
            t, lr, kept = next(inputs), next(inputs), next(inputs)
            chain = Chain(with_values(rule.chain.rule, {name: next(inputs) for name in fields}))
            now = Moment(t, lr, {name: next(inputs) for name in moment.scalars}, due)
            if decays:
                data.mul_(kept)
            states = chain.states(dict(zip(names, rest, strict=False)))
            steps = chain.steps(now, rest[-2], data.dtype) if is_shaped else chain.steps(now)
            chain.take(data, -grad if maximizes else grad, states, steps)

        with first_use(label(rule.chain.rule)):
            make = compiled_for_shapes if is_shaped else compiled_for_vectors
            known.append((due, make(operations, tensors, numbers)))
        return known[-1][1].function, known[-1][1].prepare(numbers)

    def refuse(self, rule: Optimizer, reason: str) -> None:
        """Warn that a rule runs eagerly, where the caller of chainrule and torch is; once."""
        if not self._fails:
            self._fails = True
            warnings.warn(
                f"{label(rule)}: cannot be compiled ({reason}). It runs eagerly.",
                CompileWarning,
                stacklevel=_levels_to_the_caller(),
            )


def _levels_to_the_caller() -> int:
    """Return how far up the stack, from the calling function, the code is that called chainrule and torch."""
    frame, levels = sys._getframe(1), 1
    packages = ("chainrule", "chainrule_torch", "torch")
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] in packages:
        frame, levels = frame.f_back, levels + 1
    return levels
