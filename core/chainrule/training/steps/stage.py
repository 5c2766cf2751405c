"""`Stage`: the batches and moments of the coming steps, in tensors that stay, of which each step reads its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from chainrule.base.step import Due
from chainrule.updates.clock import Numbers
from chainrule.updates.moment import Moment

STEPS = 64
"""The most steps that are staged at a time."""

ELEMENTS = 2**20
"""The most elements of their batches, but for one batch that is larger."""


class Stage:
    """Batches and moments of some steps; a counter, which every step raises, says whose turn it is.

    Args:
        x: a batch (M, N, …); all others have its shape and dtype.
        y: its targets.
        moments: of each applied rule; those that are one object now are one at every step.

    Attributes:
        rows: the most steps that it holds.
    """

    def __init__(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> None:
        self.rows = max(1, min(STEPS, ELEMENTS // max(1, x.numel() + y.numel())))
        distinct = {id(moment): moment for moment in moments}
        self._numbered = [list(distinct).index(id(moment)) for moment in moments]
        self._forms = [(tuple(moment.scalars), moment.per_member) for moment in distinct.values()]
        values = _values(moments)
        self._are_tensors = [isinstance(value, Tensor) for value in values]
        count = self._are_tensors.count(False)
        with torch.inference_mode(False):
            self._counter = torch.zeros((), dtype=torch.int64, device=x.device)
            self._x, self._y = (x.new_zeros(self.rows, *x.shape), y.new_zeros(self.rows, *y.shape))
            self._numbers = torch.zeros(self.rows, count, dtype=torch.float64, device=x.device)
            self._losses, self._denominators = torch.zeros(2, self.rows, len(x), dtype=torch.float64, device=x.device)
            self._vectors = [value.new_zeros(self.rows, *value.shape) for value in values if isinstance(value, Tensor)]
            # On a CPU these are the same tensors.
            self._host = self._counter.cpu(), self._numbers.cpu()
        self._count, self._rows = (tensor.numpy() for tensor in self._host)  # quicker to write for one step
        self._first = self._x[0], self._y[0]
        self._is_elsewhere = x.device.type != "cpu"

    @property
    def form(self) -> tuple[object, ...]:
        """All that `at` does depends on, beside the kinds of the tensors."""
        return tuple(self._numbered), tuple(self._forms), tuple(self._are_tensors)

    @property
    def tensors(self) -> list[Tensor]:
        """What a step reads and writes, in the order in which `at` and `end` take it."""
        return [self._counter, self._losses, self._denominators, self._x, self._y, self._numbers, *self._vectors]

    def put(self, xs: Tensor, ys: Tensor, moments: Sequence[Moment], following: Sequence[Numbers]) -> None:
        """Stage so many steps: xs and ys (S, M, N, …), the moments of the first, and the numbers of the others."""
        steps = 1 + len(following)
        self._x[:steps].copy_(xs)
        self._y[:steps].copy_(ys)
        self._put_numbers([_values(moments), *following])

    def put_one(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> None:
        """Stage one step."""
        own_x, own_y = self._first
        own_x.copy_(x)
        own_y.copy_(y)
        if self._vectors:
            self._put_numbers([_values(moments)])
        else:
            self._count[()], self._rows[0] = 0, _values(moments)
            if self._is_elsewhere:
                self._send()

    def batch(self, row: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a staged step, counted from 0."""
        return self._x[row], self._y[row]

    def at(self, tensors: Sequence[Tensor], dues: Sequence[Due | None]) -> tuple[Tensor, Tensor, list[Moment]]:
        """Return batch and moments of the step whose turn it is, from tensors like those of the stage.

        Args:
            tensors: as in `tensors`.
            dues: the answers of `Step.every` for each applied rule.
        """
        counter, _, _, *staged = tensors
        x, y, numbers, *vectors = (tensor.index_select(0, counter.view(1)).squeeze(0) for tensor in staged)
        singles, several = iter(numbers.unbind()), iter(vectors)
        values = iter([next(several if is_tensor else singles) for is_tensor in self._are_tensors])
        moments = [
            (next(values), next(values), {name: next(values) for name in scalars}, per_member)
            for scalars, per_member in self._forms
        ]
        found = []
        for i, due in zip(self._numbered, dues, strict=True):
            t, lr, scalars, per_member = moments[i]
            found.append(Moment(t, lr, scalars, due, per_member))
        return x, y, found

    def end(self, tensors: Sequence[Tensor], loss: Tensor, denominator: float | Tensor) -> None:
        """Keep the loss (M,) of the step whose turn it is with its denominator, and let it be the next one's turn."""
        counter, losses, denominators = tensors[:3]
        row = (counter.view(1),)
        losses.index_put_(row, loss.double().unsqueeze(0))
        each = denominator if isinstance(denominator, Tensor) else torch.full_like(loss, denominator)
        denominators.index_put_(row, each.double().unsqueeze(0))
        counter.add_(1)

    def losses(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return the losses of so many steps and their denominators, (S, M) of float64."""
        return self._losses[:steps], self._denominators[:steps]

    def vary(self) -> None:
        """Let it be the turn of a step like the first with other numbers."""
        row = min(1, self.rows - 1)
        first = self._x[0].roll(1, 1)
        self._x[row].copy_(first / 2 if first.is_floating_point() else first)
        self._y[row].copy_(self._y[0])
        for staged in (self._numbers, *self._vectors):
            staged[row].copy_(staged[0] * 1.5)
        self._counter.fill_(row)

    def _put_numbers(self, rows: Sequence[Sequence[Any]]) -> None:
        self._count[()] = 0
        if self._vectors:
            for i, values in enumerate(rows):
                several = [value for value in values if isinstance(value, Tensor)]
                for staged, value in zip(self._vectors, several, strict=True):
                    staged[i].copy_(value)
            rows = [[value for value in values if not isinstance(value, Tensor)] for values in rows]
        self._rows[: len(rows)].flat[:] = list(chain.from_iterable(rows))  # quicker than from the rows
        if self._is_elsewhere:
            self._send()

    def _send(self) -> None:
        """Copy the counter and the numbers to the device; what is in pageable memory may be changed at once."""
        for there, here in zip((self._counter, self._numbers), self._host, strict=True):
            there.copy_(here, non_blocking=True)


def _values(moments: Sequence[Moment]) -> list[Any]:
    """Return the numbers of moments, of neighbours that are one object once."""
    values: list[Any] = []
    last = None
    for moment in moments:
        if moment is not last:
            values += (moment.t, moment.lr, *moment.scalars.values())
        last = moment
    return values
