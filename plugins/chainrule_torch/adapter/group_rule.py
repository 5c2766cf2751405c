"""`GroupRule`: the rule of a parameter group, at the group's present settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from chainrule.updates.chain import Chain
from chainrule.updates.clock import Clock
from chainrule.updates.updater import with_lr
from chainrule.updates.watching import is_elementwise
from chainrule_torch.adapter.group_settings import GroupSettings


class GroupRule:
    """The rule of a parameter group, made again only where a setting has changed.

    Whether it is elementwise is asked once for all values of its numbers: a rule may ask whether one is 0, by
    `present`, and nothing else, since any may be given per member.

    Attributes:
        chain: the rule inside its wrappers.
        clock: gives the moments of its steps.
        elementwise: whether each element's update depends on that element alone.
        decay: the weight decay that acts beside the rule.
    """

    def __init__(self, settings: GroupSettings, group: Mapping[str, Any]) -> None:
        self._settings = settings
        self._values: list[Any] | None = None
        self._form: list[Any] | None = None
        self._first = next(iter(group["params"]), torch.empty(0, device="cpu"))
        self.follow(group)

    def follow(self, group: Mapping[str, Any]) -> None:
        """Take the group's present settings.

        Raises:
            HyperparameterError: if a setting is outside its bounds.
        """
        self.decay = self._settings.decay_of(group)
        values = self._settings.values(group)
        if values == self._values:
            return
        rule = self._settings.rule_of(group)
        self.chain = Chain(rule)
        self.clock = Clock(self.chain, 1, self._first.device, self._first.dtype)
        form = _form(values)
        if form != self._form:
            self.elementwise = is_elementwise(with_lr(rule, 1.0))
        self._values, self._form = values, form


def _form(value: Any) -> Any:
    """Return settings with whether they are 0 in place of their numbers."""
    if isinstance(value, list | tuple):
        return [_form(each) for each in value]
    return value != 0 if isinstance(value, float) else value
