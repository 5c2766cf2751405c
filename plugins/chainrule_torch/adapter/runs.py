"""Steps of an elementwise rule over runs of small parameters, each gathered into one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from chainrule.updates.chain import Chain
from chainrule.updates.elementwise import SLICE
from chainrule.updates.member_step import Tensors, take_all
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.shared_memory import turns

TakeRows: TypeAlias = Callable[[Chain, Sequence[Tensors], Sequence[Moment]], None]
"""Takes a step with parameters, or with pieces of them."""


def take_rows(chain: Chain, rows: Sequence[Tensors], moments: Sequence[Moment]) -> None:
    """Take a step with parameters one by one."""
    take_all(chain, list(rows), [chain.states(row.state) for row in rows], moments)


def take_in_runs(chain: Chain, rows: Sequence[Tensors], moments: Sequence[Moment]) -> None:
    """Take a step of an elementwise rule, with few operations for many small parameters."""
    for run, moment in runs(rows, moments):
        whole = joined(run)
        take_joined(chain, whole, moment)
        separate(whole, run)


def runs(rows: Sequence[Tensors], moments: Sequence[Moment]) -> Iterator[tuple[list[Tensors], Moment]]:
    """Yield parameters of one moment, dtype and device, of at most SLICE elements unless it is one parameter.

    Those that share memory are in different runs.
    """
    open_runs: dict[object, tuple[list[Tensors], Moment, int]] = {}
    for row, moment, turn in zip(rows, moments, turns([row.data for row in rows]), strict=True):
        kind, size = (moment.t, row.data.dtype, row.data.device, turn), row.data.numel()
        run, _, filled = open_runs.get(kind, ([], moment, 0))
        if run and filled + size > SLICE:
            yield run, moment
            run, filled = [], 0
        run.append(row)
        open_runs[kind] = run, moment, filled + size
    for run, moment, _ in open_runs.values():
        yield run, moment


def joined(run: Sequence[Tensors]) -> Tensors:
    """Return the parameters of a run in one vector, or the only one as it is."""
    if len(run) == 1:
        return run[0]
    state = {name: _gathered([row.state[name] for row in run]) for name in run[0].state}
    return Tensors(_gathered([row.data for row in run]), _gathered([row.grad for row in run]), state, run[0].key)


def take_joined(chain: Chain, whole: Tensors, moment: Moment) -> None:
    """Take a step of an elementwise rule with a run of parameters."""
    steps, states = chain.steps(moment), chain.states(whole.state)
    chain.apply(whole.data, chain.change_gradient(whole.data, whole.grad, states, steps), states, steps)


def separate(whole: Tensors, run: Sequence[Tensors]) -> None:
    """Copy parameters and state out of the vectors of a run."""
    if len(run) > 1:
        _scatter(whole.data, [row.data for row in run])
        for name, entry in whole.state.items():
            _scatter(entry, [row.state[name] for row in run])


def _gathered(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part if part.dim() == 1 else part.ravel() for part in parts])


def _scatter(whole: Tensor, parts: list[Tensor]) -> None:
    pieces = whole.split_with_sizes([part.numel() for part in parts])
    shaped = [piece if part.dim() == 1 else piece.view_as(part) for part, piece in zip(parts, pieces, strict=True)]
    torch._foreach_copy_(parts, shaped)
