"""Steps of a rule with parameters that are cut among processes, as `fully_shard` leaves them.

An elementwise rule acts on the pieces that each process has. One that is elementwise but for its sums does too, with
one all-reduce of them. Any other sees whole parameters: each belongs to one process, to which the others send their
pieces of parameter, gradient and state, and which sends back the new ones. So a process computes its share of the
parameters alone, and holds few whole ones at a time. Where such a rule sums over parameters, every process takes the
step with all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate

from chainrule.updates.chain import Chain
from chainrule.updates.member_step import Tensors, added
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.exchange import Form, exchange
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.pieces import Numbers, take_pieces
from chainrule_torch.adapter.placement import is_distributed
from chainrule_torch.adapter.runs import TakeRows, take_in_runs, take_rows
from chainrule_torch.adapter.shards import Cut, cut_of, like, local

BUNDLE = 2**22
"""Elements of whole parameters that a process works on at a time, unless one has more."""

Take = Callable[[GroupRule, Sequence[Tensors], Sequence[Moment], TakeRows], None]
"""Takes a step with tensors of this process, given a function that takes it in the dtype of steps."""


class Part(NamedTuple):
    """What this process has of a parameter that is cut.

    Attributes:
        row: the parameter with gradient and state, as DTensors but for numbers.
        moment: its moment.
        cut: how it is cut.
        names: the names of the entries of its state that are cut.
    """

    row: Tensors
    moment: Moment
    cut: Cut
    names: list[str]

    @property
    def tensors(self) -> list[tuple[DTensor, int]]:
        """Each tensor that is cut, with the axis along which it is."""
        all_tensors = [self.row.data, self.row.grad, *(self.row.state[name] for name in self.names)]
        return [(each, self.cut.axis if each.shape == self.row.data.shape else 0) for each in all_tensors]  # type: ignore[misc]

    @property
    def numbers(self) -> list[Tensor]:
        """The entries of the state that every process has."""
        return [self.row.state[name] for name in sorted(self.row.state.keys() - set(self.names))]

    def forms(self, rank: int) -> list[Form]:
        """Return the forms of the pieces of a process."""
        return [Form(self.cut.shape(each.shape, axis, rank), each.dtype) for each, axis in self.tensors]


def take_sharded(rule: GroupRule, rows: Sequence[Tensors], moments: Sequence[Moment], take: Take) -> None:
    """Take a step with parameters of which some are DTensors.

    Args:
        rule: that of their group.
        rows: the parameters.
        moments: theirs.
        take: takes a step with tensors that this process has.
    """
    rows = [row._replace(grad=like(row.grad, row.data)) for row in rows]
    chain = rule.chain
    if rule.elementwise:
        pieces = [pair for pair in zip(_local(rows), moments, strict=True) if pair[0].data.numel()]
        take(rule, [row for row, _ in pieces], [moment for _, moment in pieces], take_in_runs)
        return
    if rule.shares is not None:
        take(rule, _local(rows), moments, partial(_take_with_sums, rule.shares, rows))
        return
    parts, here, moments_here = [], [], []
    for row, moment in zip(rows, moments, strict=True):
        cut = cut_of(chain, row.data)
        if cut is None:
            here += _local([row])
            moments_here.append(moment)
        else:
            names = sorted(name for name, entry in row.state.items() if entry.dim())
            parts.append(Part(row, moment, cut, names))
    if chain.has_sums:
        whole = [gathered for some in _by_group(parts) for gathered in _gathered(some, [None] * len(some))]
        take(rule, [*here, *(row for _, row in whole)], [*moments_here, *(part.moment for part, _ in whole)], take_rows)
        for part, row in whole:
            _keep(part, _pieces(part, row, part.cut.rank))
        return
    take(rule, here, moments_here, take_rows)
    for some in _by_group(parts):
        for round_, owners in _rounds(some):
            own = _gathered(round_, owners)
            take(rule, [row for _, row in own], [part.moment for part, _ in own], take_rows)
            _send_back(round_, owners, own)


def _local(rows: Sequence[Tensors]) -> list[Tensors]:
    """Return the pieces of this process, with keys of its own, lest all pieces be rounded by the same random bits."""
    numbers: dict[object, int] = {}
    found = []
    for row in rows:
        data, state = row.data, {name: local(entry) for name, entry in row.state.items()}
        how = (id(data.device_mesh), data.placements) if is_distributed(data) else None
        if how not in numbers:
            numbers[how] = _number(data)
        number = numbers[how]
        found.append(Tensors(local(data), local(row.grad), state, row.key ^ number if number else row.key))
    return found


def _take_with_sums(
    shares: Collection[str], rows: Sequence[Tensors], chain: Chain, own: Sequence[Tensors], moments: Sequence[Moment]
) -> None:
    """Take a step with the pieces of this process, in the dtype of steps, of parameters that are DTensors."""

    def add_up(found: Sequence[Numbers], parts: Sequence[Numbers]) -> tuple[Numbers, Sequence[Numbers]]:
        totals: list[Numbers] = []
        wholes: list[Numbers] = [{} for _ in rows]
        for mesh, members in _by_mesh(rows).items():
            sums = added([found[i] for i in members])
            numbers = [*sums.values(), *(number for i in members for number in parts[i].values())]
            if mesh is not None and numbers:
                vector = DTensor.from_local(torch.stack(numbers), mesh[0], mesh[1], run_check=False)
                numbers = list(vector.full_tensor().unbind())
            rest = iter(numbers)
            totals.append({name: next(rest) for name in sums})
            for i in members:
                wholes[i] = {name: next(rest) for name in parts[i]}
        return added(totals), wholes

    take_pieces(chain, own, moments, shares, [not _number(row.data) for row in rows], add_up)


def _by_mesh(rows: Sequence[Tensors]) -> dict[tuple[DeviceMesh, tuple[Placement, ...]] | None, list[int]]:
    """Return the numbers of the parameters over each mesh, with the placements of a share of a sum; None if not cut."""
    found: dict[tuple[DeviceMesh, tuple[Placement, ...]] | None, list[int]] = {}
    for i, row in enumerate(rows):
        key = None
        if is_distributed(row.data) and any(not each.is_replicate() for each in row.data.placements):
            adding = tuple(Replicate() if each.is_replicate() else Partial() for each in row.data.placements)
            key = row.data.device_mesh, adding
        found.setdefault(key, []).append(i)
    return found


def _number(parameter: Tensor) -> int:
    """Return the number of this process's piece of a parameter, from 0."""
    number = 0
    if is_distributed(parameter):
        mesh, at = parameter.device_mesh, parameter.device_mesh.get_coordinate() or ()
        for i, (placement, coordinate) in enumerate(zip(parameter.placements, at, strict=True)):
            number = number if placement.is_replicate() else number * mesh.size(i) + coordinate
    return number


def _by_group(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parameters that are cut among the same processes."""
    found: dict[object, list[Part]] = {}
    for part in parts:
        found.setdefault(part.cut.group, []).append(part)
    return list(found.values())


def _rounds(parts: Sequence[Part]) -> Iterator[tuple[list[Part], list[int | None]]]:
    """Yield parameters and the processes that they belong to, the largest first, as many as each can hold."""
    loads = [0] * parts[0].cut.ranks
    round_: list[Part] = []
    owners: list[int | None] = []
    for part in sorted(parts, key=lambda part: -part.row.data.numel()):
        owner, size = loads.index(min(loads)), part.row.data.numel()
        if loads[owner] and loads[owner] + size > BUNDLE:
            yield round_, owners
            loads, round_, owners, owner = [0] * len(loads), [], [], 0
        loads[owner] += size
        round_.append(part)
        owners.append(owner)
    yield round_, owners


def _send_back(parts: Sequence[Part], owners: Sequence[int | None], own: Sequence[tuple[Part, Tensors]]) -> None:
    """Send each process its pieces of the parameters and states that this one has stepped, and keep those that come."""
    cut, device = parts[0].cut, local(parts[0].row.data).device
    outgoing = [
        [each for part, row in own for each in (*_pieces(part, row, rank), *part.numbers)] for rank in range(cut.ranks)
    ]
    incoming: list[list[Form]] = [[] for _ in range(cut.ranks)]
    for part, owner in zip(parts, owners, strict=True):
        data, _, *entries = part.forms(cut.rank)
        numbers = [Form(tuple(each.shape), each.dtype) for each in part.numbers]
        incoming[owner or 0] += [data, *entries, *numbers]
    received = exchange(cut.group, outgoing, incoming, device)
    for part, owner in zip(parts, owners, strict=True):
        rest = received[owner or 0]
        _keep(part, [next(rest) for _ in range(1 + len(part.names))])
        for number in part.numbers:
            number.copy_(next(rest))


def _gathered(parts: Sequence[Part], owners: Sequence[int | None]) -> list[tuple[Part, Tensors]]:
    """Return the whole parameters, gradients and states that belong to this process; to all, if the owner is None."""
    cut, device = parts[0].cut, local(parts[0].row.data).device
    ranks = range(cut.ranks)
    outgoing: list[list[Tensor]] = [[] for _ in ranks]
    for part, owner in zip(parts, owners, strict=True):
        for rank in ranks if owner is None else [owner]:
            outgoing[rank] += [local(each) for each, _ in part.tensors]
    own = [part for part, owner in zip(parts, owners, strict=True) if owner in (None, cut.rank)]
    incoming = [[form for part in own for form in part.forms(rank)] for rank in ranks]
    received = exchange(cut.group, outgoing, incoming, device)
    found = []
    for part in own:
        data, grad, *entries = (torch.cat([next(each) for each in received], axis) for _, axis in part.tensors)
        state = part.row.state | dict(zip(part.names, entries, strict=True))
        found.append((part, part.row._replace(data=data, grad=grad, state=state)))
    return found


def _pieces(part: Part, whole: Tensors, rank: int) -> list[Tensor]:
    """Return the piece of a process of the new parameter and of each entry of its state."""
    (_, axis), _, *entries = part.tensors
    found = [part.cut.piece(whole.data, axis, rank)]
    return found + [
        part.cut.piece(whole.state[name], axis, rank) for name, (_, axis) in zip(part.names, entries, strict=True)
    ]


def _keep(part: Part, pieces: Sequence[Tensor]) -> None:
    """Let these pieces be those of the parameter and its state."""
    data, *entries = pieces
    local(part.row.data).copy_(data)
    for name, entry in zip(part.names, entries, strict=True):
        local(part.row.state[name]).copy_(entry)
