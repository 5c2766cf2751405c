"""The numbers of the coming steps, taken from the clocks many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, takewhile

from chainrule.updates.clock import Clock, Numbers
from chainrule.updates.moment import Moment
from chainrule.updates.updater import Updater


def numbers_ahead(updater: Updater, recorded: Sequence[Moment], most: int) -> list[Numbers]:
    """Return the numbers of the coming steps, at most so many, at which operations recorded at some moments are right.

    They are those of `Updater.advance`, of neighbours that are one moment once, and the steps are not counted.
    """
    ts = range(updater.t + 1, updater.t + 1 + most)
    parts: list[list[Numbers]] = []
    last: tuple[Clock, int] | None = None
    for counted, moment in zip(updater.clocks, recorded, strict=True):
        if counted != last:
            clock, missed = last = counted
            parts.append(clock.ahead(ts, missed, moment))
        if due := moment.due:
            parts[-1] = list(takewhile(lambda numbers: due.holds_at(int(numbers[0])), parts[-1]))
    return parts[0] if len(parts) == 1 else [tuple(chain.from_iterable(step)) for step in zip(*parts, strict=False)]
