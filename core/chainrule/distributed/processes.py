"""The processes of a run, as torch.distributed knows them, and what they tell each other."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import torch.distributed as dist

from chainrule.errors import ChainruleError

T = TypeVar("T")

PATIENCE = timedelta(days=365)
"""How long a process waits for another one, which may have more to train; torchrun ends all when one ends."""


class Place(NamedTuple):
    """One of several processes: its rank, from 0, and how many there are."""

    rank: int
    size: int

    def __str__(self) -> str:
        return f"process {self.rank} of {self.size}"


def this_process() -> Place:
    """Return this process's place; joins the others where torchrun has started it and nobody did."""
    if not dist.is_available():
        return Place(0, 1)
    if not dist.is_initialized():
        if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
            return Place(0, 1)
        together(lambda: dist.init_process_group(timeout=PATIENCE))
        atexit.register(leave)
    return Place(dist.get_rank(), dist.get_world_size())


def leave() -> None:
    """Leave the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def together(call: Callable[[], T]) -> T:
    """Make a call that every process makes.

    Raises:
        ChainruleError: if another process has ended.
    """
    try:
        return call()
    except RuntimeError as error:
        if isinstance(error, ChainruleError):
            raise
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ChainruleError(
            f"distributed.fit: every process must live until the end, got one that does not answer ({reason}). "
            "Look for its error, and start all of them again."
        ) from error


def of_all(own: Any) -> list[Any]:
    """Return what every process passes, by rank."""
    found: list[Any] = [None] * dist.get_world_size()
    together(lambda: dist.all_gather_object(found, own))
    return found
