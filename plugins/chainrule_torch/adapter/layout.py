"""`Layout`: which groups of an optimizer have their state in vectors, and these groups."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from chainrule import ChainruleError
from chainrule.errors import label
from chainrule_torch.adapter.flat_group import FlatGroup, same
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.initial_state import expect_state
from chainrule_torch.adapter.modes import outside_of_modes
from chainrule_torch.adapter.placement import common_seed, distributed, is_one_of_several
from chainrule_torch.adapter.precision import Precision
from chainrule_torch.adapter.rounding import FORMATS
from chainrule_torch.adapter.shard_trial import draws
from chainrule_torch.adapter.shared_memory import turns
from chainrule_torch.adapter.state_entries import KEY, STEP, draw_keys

States: TypeAlias = MutableMapping[Tensor, dict[str, Tensor]]
"""The state of each parameter; one that is looked for and not there is made, empty."""


class Unread(NamedTuple):
    """A group whose state nobody has read, and which therefore has no entries yet.

    Attributes:
        rule: that of the group.
        parameters: those of the group.
        first: the number of its first parameter among all.
        seed: that of their random numbers.
    """

    rule: GroupRule
    parameters: list[Tensor]
    first: int
    seed: int


class Layout:
    """How the parameters and the state of an optimizer's groups lie in memory.

    Vectors are made at a group's first step, and the entries of its parameters' states, which are views of these, when
    the state is first read.

    Args:
        precision: how steps are rounded.
        flatten: whether parameters and gradients become views of vectors.
        alone: whether each parameter is stepped alone.
        is_read: whether somebody has the state.
        numbered: that of the layout in whose place this one is.

    Attributes:
        flat: the groups whose state lies in vectors, by number.
        numbered: the first number that was given to no parameter for its key.
    """

    def __init__(
        self, precision: Precision, *, flatten: bool, alone: bool, is_read: bool = False, numbered: int = 0
    ) -> None:
        self._precision, self._flatten, self._alone, self._is_read = precision, flatten, alone, is_read
        self.numbered = numbered
        self.flat: dict[int, FlatGroup] = {}
        self._unread: dict[int, Unread] = {}
        self._states: list[dict[str, Tensor]] = []

    def add(self, i: int, rule: GroupRule, parameters: list[Tensor], state: States, before: int) -> None:
        """Add a group, whose state is made now or later, but for parameters that have theirs from a group before.

        Its random numbers are those of no parameter that was added before, and of none in the groups before.

        Raises:
            ChainruleError: if its parameters are to be flattened, and cannot be, or if the rule makes no such state.
        """
        if any(number >= i for number in (*self.flat, *self._unread)):  # since groups were removed
            self.show(state)
            self.flat.clear()
        known = [parameter for parameter in parameters if state.get(parameter)]
        least = max(before, len(state) + sum(len(each.parameters) for each in self._unread.values()))
        obstacle = self._obstacle(rule, parameters)
        if obstacle is None:
            for dtype in {parameter.dtype for parameter in parameters}:
                expect_state(rule, self._precision, dtype)
            if known:
                return
            if self._flatten:
                self.flat[i] = self._laid_out(rule, parameters)
            first = self._number(len(parameters), least)
            self._unread[i] = Unread(rule, list(parameters), first, self.seed(rule, parameters))
            if self._is_read or self._precision.rounded(parameters):  # which rounds by the keys that are there
                self.show(state)
        elif self._flatten:
            raise ChainruleError(
                f"{label(rule.chain.rule)}: flatten=True must have an elementwise rule that steps vectors, got "
                f"{obstacle}. Leave flatten out."
            )
        else:
            self._expect_apart(rule, parameters)
            new = [parameter for parameter in parameters if not state.get(parameter)]
            states = [state[parameter] for parameter in new]
            for parameter, own in zip(new, states, strict=True):
                own.update(self._precision.begin(rule.chain, parameter))
            draw_keys(new, states, self._number(len(new), least), self.seed(rule, parameters))
            self._states += states

    def _number(self, count: int, least: int) -> int:
        """Return the first of so many numbers for keys, from this one on, that were given to no parameter."""
        first = max(least, self.numbered)
        self.numbered = first + count
        return first

    def show(self, state: States) -> None:
        """Let a state that is read have its entries."""
        self._is_read = True
        if self._unread:
            self._make_entries(state)

    @outside_of_modes()
    def _make_entries(self, state: States) -> None:
        for i, (rule, parameters, first, seed) in self._unread.items():
            states = [state[parameter] for parameter in parameters]
            if i in self.flat:
                self.flat[i].show(states)
            else:
                self.flat[i] = self._laid_out(rule, parameters, states)
            draw_keys(parameters, states, first, seed)
            self._states += states
        self._unread.clear()

    def replace(self) -> None:
        """Forget a state in whose place another has been put."""
        self.flat.clear()
        self._unread.clear()
        self._is_read = True

    def follow(self, rules: Sequence[GroupRule], groups: Sequence[dict[str, Any]], state: States) -> None:
        """Have the groups laid out anew if another state of a parameter has been put in its place, or none."""
        states = list(state.values())
        if (self._states or not self._is_read) and same(self._states, states):
            return
        pairs = zip(rules, groups, strict=True)
        all_parameters = [(rule, parameter) for rule, group in pairs for parameter in group["params"]]
        for i, (rule, parameter) in enumerate(all_parameters):
            if KEY not in state[parameter]:
                draw_keys([parameter], [state[parameter]], i, self.seed(rule, [parameter]))
        self.flat.clear()
        self._states = list(state.values())

    def flat_group(
        self, i: int, parameters: list[Tensor], rule: GroupRule, grads: list[Tensor | None], state: States
    ) -> FlatGroup | None:
        """Return a group as its state lies in vectors, or is laid out now, that of a first step made anew."""
        flat, unread = self.flat.get(i), self._unread.get(i)
        fits = flat is not None and flat.is_intact(rule, parameters)
        if not fits and self._obstacle(rule, parameters):
            self.show(state)
            return None
        if flat is None or not fits or flat.is_divided(grads):
            states = None
            is_as_made = unread is not None and same(unread.parameters, parameters)
            is_begun = flat is not None and flat.has_stepped
            if not is_as_made or is_begun or self._precision.rounded(parameters):
                self.show(state)
                states = [self.state_of(parameter, rule, state) for parameter in parameters]
            apart = [grad is None for grad in grads]
            flat = self.flat[i] = self._laid_out(rule, parameters, states, apart)
        return flat

    @outside_of_modes()
    def _laid_out(
        self,
        rule: GroupRule,
        parameters: list[Tensor],
        states: list[dict[str, Tensor]] | None = None,
        apart: list[bool] | None = None,
    ) -> FlatGroup:
        return FlatGroup(rule, self._precision, parameters, states, apart, flatten=self._flatten)

    def state_of(self, parameter: Tensor, rule: GroupRule, state: States) -> dict[str, Tensor]:
        """Return the state of a parameter, with a key if it was put into its group by hand."""
        is_new = parameter not in state
        own = state[parameter]
        if is_new:
            self._states.append(own)
        if KEY not in own:
            draw_keys([parameter], [own], self._number(1, len(state) - 1), self.seed(rule, [parameter]))
        return own

    def complete(self, rules: Sequence[GroupRule], groups: Sequence[dict[str, Any]], state: States) -> None:
        """Make the state of parameters that have none: it was removed, or they were put into a group by hand."""
        for rule, group in zip(rules, groups, strict=True):
            for parameter in group["params"]:
                own = self.state_of(parameter, rule, state)
                if STEP not in own:
                    own.update(self._precision.begin(rule.chain, parameter))

    def seed(self, rule: GroupRule, parameters: list[Tensor]) -> int:
        """Return the seed of the random numbers of a group, in which replicas must not differ."""
        if not parameters or not is_one_of_several():
            return torch.initial_seed()
        needed = self._precision.rounded(parameters) or draws(rule.chain.rule)
        return common_seed(parameters) if needed else torch.initial_seed()

    def _obstacle(self, rule: GroupRule, parameters: list[Tensor]) -> str | None:
        """Return what keeps a group's state from lying in vectors, if anything does."""
        if not rule.elementwise:
            return "one that is not"
        if self._alone:
            return "release=True"
        if len(set(map(id, parameters))) < len(parameters):  # torch steps one that is there twice as often
            return "a parameter that is there twice"
        if distributed(parameters):
            return "parameters cut among processes"
        if self._flatten and any(turns(parameters)):  # which views of one vector cannot
            return "parameters that share memory"
        # The random bits of rounding are in the order of the indices, in whatever order elements lie in memory.
        if not all(map(Tensor.is_contiguous, self._precision.rounded(parameters))):
            return "a parameter that is rounded and not contiguous"
        return None

    def _expect_apart(self, rule: GroupRule, parameters: list[Tensor]) -> None:
        """Raise ChainruleError for parameters that share memory if the rule steps copies of all of them together."""
        if rule.chain.has_sums and any(turns([each for each in parameters if each.dtype in FORMATS])):
            raise ChainruleError(
                f"{label(rule.chain.rule)}: parameters of 16 bits must share no memory under a rule with sums, got "
                "some that do. Give it one of them, or convert the model, as by .float()."
            )
