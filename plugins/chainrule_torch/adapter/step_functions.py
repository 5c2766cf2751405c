"""The compiled functions of a rule's steps, which are found again by all that decides their operations."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.base.member_values import with_values
from chainrule.base.wrapper import with_any_lr
from chainrule.errors import label
from chainrule.updates.definition import definition
from chainrule.updates.fused_rule import first_use
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.group_settings import numbers_of
from chainrule_torch.adapter.step_operations import Operations, StepFunction, Work

if TYPE_CHECKING:
    from chainrule_torch.adapter.group_rule import GroupRule

FORMS = 256
"""The size of the cache of functions by form."""

_by_form: dict[Hashable, list[StepFunction]] = {}


class StepFunctions:
    """The functions of a group's rule, while its settings have one form.

    Args:
        rule: the group's.

    Attributes:
        form: that of the settings.
    """

    def __init__(self, rule: GroupRule) -> None:
        self.form = rule.form
        fields = numbers_of(rule.chain.rule)
        anyone = with_values(with_any_lr(rule.chain.rule), dict.fromkeys(fields, 0.0))
        self._key: Hashable = anyone, definition(anyone), torch.get_num_threads(), torch.get_default_dtype()
        try:
            hash(self._key)
        except TypeError:  # of a setting such as a list
            self._key = object()
        self._known: dict[Hashable, list[StepFunction]] = {}

    def find(
        self, rule: GroupRule, work: Work, tensors: Sequence[Tensor], moment: Moment, sums: Mapping[str, Tensor]
    ) -> tuple[StepFunction, Tensor]:
        """Return the function that does some work at a moment, compiled now if need be, and its last input.

        Args:
            rule: the group's.
            work: what it does.
            tensors: all that it takes but for sums and the last input; none is changed.
            moment: that of the step.
            sums: examples of the sums that it takes.

        Raises:
            Exception: whatever arises if the rule cannot be compiled.
        """
        fields, t = numbers_of(rule.chain.rule), int(moment.t)
        values: list[Any] = [t, moment.lr, 1 - moment.lr * rule.decay, *fields.values(), *moment.scalars.values()]
        numbers = torch.tensor(values, dtype=torch.float64, device=tensors[0].device)
        form = work.form, rule.decay != 0, *fields, *moment.scalars, *sums
        if form not in self._known:
            self._known[form] = _found((self._key, form))
        known = self._known[form]
        for one in known:
            if one.due.holds_at(t):
                return one, one.compiled.prepare(numbers)
        operations = Operations(rule, work, moment, list(fields), list(sums))
        with first_use(label(rule.chain.rule)):
            known.append(operations.compiled([*tensors, *sums.values()], numbers))
        return known[-1], known[-1].compiled.prepare(numbers)


def _found(key: Hashable) -> list[StepFunction]:
    """Return the functions of a form, to which new ones are added."""
    if key not in _by_form:
        if len(_by_form) == FORMS:
            del _by_form[next(iter(_by_form))]  # the oldest
        _by_form[key] = []
    return _by_form[key]
