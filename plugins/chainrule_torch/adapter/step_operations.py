"""A step of a rule, or a part of one, as operations on tensors alone, which torch traces and compiles."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from chainrule.base.member_values import with_values
from chainrule.base.step import Due
from chainrule.updates.chain import Chain
from chainrule.updates.member_step import Tensors
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.rounding import random_bits

if TYPE_CHECKING:
    from chainrule_torch.adapter.compiling import Compiled
    from chainrule_torch.adapter.group_rule import GroupRule
    from chainrule_torch.adapter.precision import Precision


Part: TypeAlias = Literal["all", "sums", "rest"]
"""All of a step; or of a rule that sums over parameters, what comes before the sums, or after them."""


@dataclass(frozen=True)
class Work:
    """What a function does with tensors: data, gradient, entries of state, and key, random words and sums if any.

    Attributes:
        kind: what is the same of all tensors for which the operations are.
        names: those of the entries of state.
        part: how much of a step it is.
        shaped: whether tensors have their own shapes and a key; else they are vectors of any length.
        precision: how tensors of other dtypes than the step's are widened and rounded, where some are.
        draws: the numbers of the draws of random bits that rounding needs.
        many: whether the vectors are of several parameters, so that each element has random words of its own.
        ascends: whether the step is along the gradient.
    """

    kind: Hashable
    names: tuple[str, ...]
    part: Part = "all"
    shaped: bool = False
    precision: Precision | None = None
    draws: tuple[int, ...] = ()
    many: bool = False
    ascends: bool = False

    @property
    def form(self) -> Hashable:
        """What decides the operations, of all that a rule may perform."""
        own = None if self.precision is None else self.precision.form
        return self.kind, self.names, self.part, self.shaped, own, self.many, self.ascends


class StepFunction(NamedTuple):
    """A compiled function, right where its rule gets the same answers of `Step.every`.

    Attributes:
        due: these answers.
        compiled: the function. Of the part before the sums, it returns what is to be added up, and the gradient last
            if the rule changes it.
        sums: an example of each sum that it returns.
    """

    due: Due
    compiled: Compiled
    sums: dict[str, Tensor]


class Operations:
    """The operations of some work, at the moment of a step.

    Args:
        rule: the group's.
        work: what is to be done.
        moment: that of the step.
        fields: the names of the rule's numbers.
        sums: the names of the sums.
    """

    def __init__(
        self,
        rule: GroupRule,
        work: Work,
        moment: Moment,
        fields: Sequence[str],
        sums: Sequence[str],
    ) -> None:
        self._rule, self._work, self._moment = rule, work, moment
        self._fields, self._sums = fields, sums
        self._due, self._added = Due(int(moment.t)), dict[str, Tensor]()

    def compiled(self, tensors: Sequence[Tensor], numbers: Tensor) -> StepFunction:
        """Return them as a function of tensors like these.

        Raises:
            Exception: whatever arises if they cannot be compiled.
        """
        from chainrule_torch.adapter.compiling import compiled_for_shapes, compiled_for_vectors  # takes a second

        if self._work.shaped:
            compiled = compiled_for_shapes(self._take, tensors, numbers)
        else:
            count = len(tensors) if self._work.many else 2 + len(self._work.names)
            compiled = compiled_for_vectors(self._take, tensors[:count], tensors[count:], numbers)
        sums = {name: torch.zeros((), dtype=each.dtype, device=tensors[0].device) for name, each in self._added.items()}
        return StepFunction(self._due, compiled, sums)

    def _take(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        work, decays = self._work, self._rule.decay != 0
        *tensors, numbers = inputs
        rest = iter(tensors)
        data, grad, state = next(rest), next(rest), {name: next(rest) for name in work.names}
        key = next(rest) if work.shaped else data
        draws = self._draws([next(rest) for _ in range(self._words)])
        sums = dict(zip(self._sums, rest, strict=True))
        chain, moment, kept = self._bound(numbers)
        row = Tensors(data, -grad if work.ascends else grad, state, key)
        wide = row if work.precision is None else work.precision.widened(row)
        steps = chain.steps(moment, key, wide.data.dtype) if work.shaped else chain.steps(moment)
        states, grad = chain.states(wide.state), wide.grad
        if work.part != "rest":
            if decays:
                wide.data.mul_(kept)
            grad = chain.change_gradient(wide.data, grad, states, steps)
        if work.part == "sums":
            self._added = chain.reduce(wide.data, grad, states, steps)
            return (*self._added.values(), *([] if grad is wide.grad else [grad]))
        chain.add_sums(steps, sums)
        chain.apply(wide.data, grad, states, steps)
        if work.precision is not None:
            work.precision.write(row, wide, draws)
        return ()

    @property
    def _words(self) -> int:
        """The number of tensors of random words."""
        draws = len(self._work.draws)
        return 1 + 2 * draws if self._work.many else 1 if draws else 0

    def _draws(self, words: Sequence[Tensor]) -> TracedDraws:
        elements, rest = None, [words[0][i] for i in range(2 * len(self._work.draws))] if words else []
        if self._work.many:
            elements, *rest = words
        return TracedDraws(elements, dict(zip(self._work.draws, zip(rest[::2], rest[1::2], strict=True), strict=True)))

    def _bound(self, numbers: Tensor) -> tuple[Chain, Moment, Tensor]:
        """Return the rule and the moment with elements of a vector as their numbers, and what decay leaves."""
        count = 3 + len(self._fields) + len(self._moment.scalars)
        t, lr, kept, *rest = [numbers[i] for i in range(count)]
        values = dict(zip(self._fields, rest, strict=False))
        scalars = dict(zip(self._moment.scalars, rest[len(self._fields) :], strict=True))
        return Chain(with_values(self._rule.chain.rule, values)), Moment(t, lr, scalars, self._due), kept


class TracedDraws(NamedTuple):
    """Random bits of rounding as operations on random words.

    Attributes:
        elements: the number of each element in its parameter, if there are several parameters.
        words: those of each draw.
    """

    elements: Tensor | None
    words: Mapping[int, tuple[Tensor, Tensor]]

    def bits(self, draw: int, count: int) -> Tensor:
        """Return so many bits of a draw."""
        first, second = self.words[draw]
        elements = self.elements
        if elements is None:
            elements = torch.arange(count, dtype=torch.int32, device=first.device)
        return random_bits(elements, first, second)
