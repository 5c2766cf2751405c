"""`Layout`: which groups of an optimizer have their state in vectors, and these groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule import ChainruleError
from chainrule.errors import label
from chainrule_torch.adapter.flat_group import FlatGroup, same
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.placement import common_seed, is_distributed, is_one_of_several
from chainrule_torch.adapter.precision import Precision
from chainrule_torch.adapter.shard_trial import draws
from chainrule_torch.adapter.state_entries import KEY, draw_keys


class Layout:
    """How the parameters and the state of an optimizer's groups lie in memory.

    Args:
        precision: how steps are rounded.
        flatten: whether parameters and gradients become views of vectors.
        alone: whether each parameter is stepped alone.

    Attributes:
        flat: the groups whose state lies in vectors, by number.
    """

    def __init__(self, precision: Precision, *, flatten: bool, alone: bool) -> None:
        self._precision, self._flatten, self._alone = precision, flatten, alone
        self.flat: dict[int, FlatGroup] = {}
        self._states: list[dict[str, Tensor]] = []

    def add(self, i: int, rule: GroupRule, parameters: list[Tensor], states: Sequence[dict[str, Tensor]]) -> None:
        """Make the state of a new group.

        Raises:
            ChainruleError: if its parameters are to be flattened, and cannot be.
        """
        if self._lies_flat(rule, parameters):
            self.flat[i] = FlatGroup(rule, self._precision, parameters, states, flatten=self._flatten)
        elif self._flatten:
            reason = (
                "one that is not"
                if not rule.elementwise
                else "release=True, or parameters cut among processes, there twice, or rounded and not contiguous"
            )
            raise ChainruleError(
                f"{label(rule.chain.rule)}: flatten=True must have an elementwise rule that steps vectors, got "
                f"{reason}. Leave flatten out."
            )
        else:
            for parameter, state in zip(parameters, states, strict=True):
                state.update(self._precision.begin(rule.chain, parameter))

    def keep(self, first: int, rule: GroupRule, parameters: list[Tensor], states: list[dict[str, Tensor]]) -> None:
        """Give a new group's parameters, from this number on, the keys of their random numbers."""
        draw_keys(parameters, states, first, self.seed(rule, parameters))
        self._states += states

    def follow(
        self, rules: Sequence[GroupRule], groups: Sequence[dict[str, Any]], state: Mapping[Tensor, dict[str, Tensor]]
    ) -> None:
        """Have the groups laid out anew if another state of a parameter has been put in its place, or none."""
        states = list(state.values())
        if same(self._states, states):
            return
        pairs = zip(rules, groups, strict=True)
        all_parameters = [(rule, parameter) for rule, group in pairs for parameter in group["params"]]
        for i, (rule, parameter) in enumerate(all_parameters):
            if KEY not in state[parameter]:
                draw_keys([parameter], [state[parameter]], i, self.seed(rule, [parameter]))
        self.flat.clear()
        self._states = list(state.values())

    def flat_group(
        self,
        i: int,
        parameters: list[Tensor],
        rule: GroupRule,
        grads: list[Tensor | None],
        state: Mapping[Tensor, dict[str, Tensor]],
    ) -> FlatGroup | None:
        """Return a group as its state lies in vectors, or is laid out now, that of a first step made anew."""
        flat = self.flat.get(i)
        if flat is not None and not flat.is_intact(rule, parameters):
            flat = None
        if flat is None and not self._lies_flat(rule, parameters):
            return None
        if flat is None or flat.is_divided(grads):
            states = [state[parameter] for parameter in parameters]
            flat = self.flat[i] = FlatGroup(
                rule, self._precision, parameters, states, [grad is None for grad in grads], flatten=self._flatten
            )
        return flat

    def seed(self, rule: GroupRule, parameters: list[Tensor]) -> int:
        """Return the seed of the random numbers of a group, in which replicas must not differ."""
        if not parameters or not is_one_of_several():
            return torch.initial_seed()
        needed = any(map(self._precision.widens, parameters)) or draws(rule.chain.rule)
        return common_seed(parameters) if needed else torch.initial_seed()

    def _lies_flat(self, rule: GroupRule, parameters: list[Tensor]) -> bool:
        """Whether a group's state is to lie in vectors."""
        is_once = len(set(map(id, parameters))) == len(parameters)  # torch steps one that is there twice as often
        # The random bits of rounding are in the order of the indices, in whatever order elements lie in memory.
        apart = any(
            is_distributed(each) or (self._precision.widens(each) and not each.is_contiguous()) for each in parameters
        )
        return rule.elementwise and is_once and not self._alone and not apart
