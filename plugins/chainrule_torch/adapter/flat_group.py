"""`FlatGroup`: the parameters of a group and their state, laid out for an elementwise rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import is_, itemgetter
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from chainrule.updates.elementwise import SLICE
from chainrule_torch.adapter.flat_run import FlatRun, GatheredRun, LyingRun, addresses, is_dense
from chainrule_torch.adapter.flattened_run import FlattenedRun
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.initial_state import vectors_of
from chainrule_torch.adapter.precision import Precision
from chainrule_torch.adapter.shared_memory import turns
from chainrule_torch.adapter.state_entries import STEP, of_the_rule

GATHERED_BELOW = 2**14
"""Elements below which copies of a parameter and its gradient cost less than operations of their own."""

GATHERED_ELSEWHERE = 2**24
"""Elements that are gathered together on a device without a processor's cache, which holds SLICE of them."""


class FlatGroup:
    """The parameters of a group in runs, whose state lies in vectors.

    Args:
        rule: the group's rule, elementwise.
        precision: how its steps are rounded.
        parameters: those of the group.
        states: the state of each, whose entries are kept, and of whose entries `show` makes views; none if there are no
            entries yet.
        apart: whether each is not to share a run with the others, such as those that have no gradient; given at a step,
            at which all others have theirs.
        flatten: whether the parameters and their gradients become views of vectors too.
    """

    def __init__(
        self,
        rule: GroupRule,
        precision: Precision,
        parameters: Sequence[Tensor],
        states: Sequence[dict[str, Tensor]] | None = None,
        apart: Sequence[bool] | None = None,
        *,
        flatten: bool = False,
    ) -> None:
        self.parameters = list(parameters)
        self._chain, self._form = rule.chain, rule.form
        counts = [0.0] * len(self.parameters)
        kinds: Sequence[tuple[object, ...]] = [()] * len(self.parameters)
        if states is not None:
            counts, kinds = [float(state.get(STEP, 0.0)) for state in states], list(map(_kinds, states))
        self._unstepped = {i for i, count in enumerate(counts) if not count}
        if states is None and apart is not None:  # the state of the others is as of now
            self._unstepped = {i for i, is_apart in enumerate(apart) if is_apart}
        self._counts = torch.tensor(counts, dtype=torch.float32, device="cpu")
        self._entries: list[tuple[Any, Sequence[Mapping[str, Tensor]], list[int]]] = []
        each = list(zip(counts, kinds, apart or [False] * len(counts), turns(parameters), strict=True))
        self.runs = _flattened(self.parameters, each) if flatten else _runs(self.parameters, each)
        self._addresses = addresses(parameters)  # to which flattening has moved them
        known = vectors_of(rule, precision, [run.data for run in self.runs])
        for run, state in zip(self.runs, known, strict=True):
            run.lay_out(rule, precision, state)
        if states is not None:
            self.show(states)

    @property
    def has_stepped(self) -> bool:
        """Whether a parameter has taken a step."""
        return bool(self._counts.any())

    def show(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Let the entries of the parameters' states be views of the vectors, which take over what is in them before."""
        for state, count in zip(states, self._counts.unbind(), strict=True):
            state[STEP] = count
        for run in self.runs:
            run.show(self._chain, [states[i] for i in run.members])
        for name in [STEP, *dict.fromkeys(name for run in self.runs for name in run.state)]:
            own = [state for state in states if name in state]  # not all have what rounding leaves out
            self._entries.append((itemgetter(name), own, addresses([state[name] for state in own])))

    def is_intact(self, rule: GroupRule, parameters: Sequence[Tensor]) -> bool:
        """Whether nobody has put others in the place of parameters, their data or entries of their state since."""
        try:
            return (
                self._form is rule.form
                and same(self.parameters, parameters)
                and self._addresses == addresses(parameters)
                and all(known == addresses(map(name, own)) for name, own, known in self._entries)
            )
        except KeyError:  # an entry was removed
            return False

    def is_divided(self, grads: Sequence[Tensor | None]) -> bool:
        """Whether some of the parameters without a step have a gradient, and others have not."""
        return len({grads[i] is None for i in self._unstepped}) == 2

    def _begin(self, rule: GroupRule, grads: Sequence[Tensor | None]) -> None:
        """Make the state of parameters that take their first step from what they are now."""
        first = {i for i in self._unstepped if grads[i] is not None}
        self._unstepped -= first
        is_as_made = rule.begins_alike and rule.chain is self._chain  # no setting was changed since
        for run in self.runs if first and not is_as_made else ():
            if own := [i for i, member in enumerate(run.members) if member in first]:
                run.begin(rule.chain, own)

    def zero_grad(self, *, set_to_none: bool) -> None:
        """Set the gradients of flattened parameters to 0."""
        for run in self.runs:
            if isinstance(run, FlattenedRun):
                run.zero_grad(set_to_none=set_to_none)

    def step(self, rule: GroupRule, grads: Sequence[Tensor | None]) -> None:
        """Take a step with every parameter that has a gradient."""
        if not self.parameters:
            return
        if self._unstepped:
            self._begin(rule, grads)
        counts = self._counts.tolist()
        active = [grad is not None for grad in grads]
        if all(active) and counts.count(counts[0]) == len(counts):
            self._counts.add_(1)
            moment = rule.clock.at(int(counts[0]) + 1)
            for run in self.runs:
                run.take(rule, [grads[i] for i in run.members], moment)  # type: ignore[misc]  # each is a tensor
            self._note_steps(rule)
            return
        self._counts.add_(torch.tensor(active, dtype=torch.float32, device="cpu"))
        moments = {count: rule.clock.at(int(count) + 1) for count in set(counts)}
        for run in self.runs:
            each = [moments[counts[i]] for i in run.members]
            run.take_each(rule, [grads[i] for i in run.members], each)
        self._note_steps(rule)

    def _note_steps(self, rule: GroupRule) -> None:
        """Tell autograd of parameters that compiled functions have changed where they lie."""
        if rule.compiled is not None:
            increment_version([run.data for run in self.runs if isinstance(run, LyingRun)])


def _flattened(parameters: Sequence[Tensor], kinds: Iterable[object]) -> list[FlatRun]:
    """Return all parameters in as few runs as can be, whose views they become."""
    together: dict[object, list[int]] = {}
    for i, (parameter, kind) in enumerate(zip(parameters, kinds, strict=True)):
        together.setdefault((parameter.dtype, parameter.device, kind), []).append(i)
    return [FlattenedRun(members, [parameters[i] for i in members]) for members in together.values()]


def _runs(parameters: Sequence[Tensor], kinds: Iterable[object]) -> list[FlatRun]:
    """Return all parameters in runs, those of different kinds in different ones."""
    runs: list[FlatRun] = []
    gathered: dict[Any, list[list[int]]] = {}
    left: dict[Any, int] = {}
    for i, (parameter, kind) in enumerate(zip(parameters, kinds, strict=True)):
        size, dense = parameter.numel(), is_dense(parameter)
        if size >= GATHERED_BELOW and dense:
            runs.append(LyingRun(i, parameter))
            continue
        key = parameter.dtype, parameter.device, kind if dense else i
        if size > left.get(key, -1):
            gathered.setdefault(key, []).append([])
            left[key] = SLICE if parameter.is_cpu else GATHERED_ELSEWHERE
        gathered[key][-1].append(i)
        left[key] -= size
    scratch: dict[Any, tuple[Tensor, Tensor]] = {}
    rows = [(key[:2], members) for key, together in gathered.items() for members in together]
    sizes = [sum(parameters[i].numel() for i in members) for _, members in rows]
    for place in {place for place, _ in rows}:
        most = max(size for (own, _), size in zip(rows, sizes, strict=True) if own == place)
        dtype, device = place
        scratch[place] = torch.empty(most, dtype=dtype, device=device), torch.empty(most, dtype=dtype, device=device)
    for (place, members), size in zip(rows, sizes, strict=True):
        data, grad = (vector[:size] for vector in scratch[place])
        runs.append(GatheredRun(members, [parameters[i] for i in members], data, grad))
    return runs


def _kinds(state: Mapping[str, Tensor]) -> tuple[object, ...]:
    """Return the dtypes of the entries that are there, which may have been loaded in others than the rule's."""
    return tuple((name, entry.dtype) for name, entry in sorted(of_the_rule(state).items())) if state else ()


def same(before: Sequence[object], now: Sequence[object]) -> bool:
    """Whether two lists have the same objects, which is quicker to find out than whether those are equal."""
    return len(before) == len(now) and all(map(is_, before, now))
