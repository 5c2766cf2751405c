"""The executors that commands train in: processes of this machine, or the workers of a Dask scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from chainrule import ChainruleError
from chainrule.cli.worker_processes import end_with_the_parent
from chainrule.errors import one_line
from chainrule_lab.extra import lab_required


@contextmanager
def executor_of(owner: str, workers: int, dask: str) -> Iterator[Executor | None]:
    """Yield what trains in so many processes, or in the workers of a Dask scheduler; None for this process.

    Args:
        owner: the command, in messages.
        workers: the processes of this machine; 0 for this one.
        dask: the address of a scheduler, or an empty text.
    """
    if dask:
        with lab_required(owner):
            from distributed import Client
        try:
            client: Any = Client(dask, timeout=10)  # type: ignore[no-untyped-call, unused-ignore]  # untyped where it is installed
        except (OSError, ValueError) as error:
            raise ChainruleError(
                f"{owner}: --dask must be the address of a scheduler, got {dask} ({error}). "
                "Start one with: dask scheduler."
            ) from error
        with client:
            yield client.get_executor()
    elif workers:
        context = get_context("spawn")
        try:
            pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_the_parent)
        except (OSError, NotImplementedError) as error:
            raise ChainruleError(
                f"{owner}: worker processes must have a place for the locks that they share, such as /dev/shm, got "
                f"{one_line(error).rstrip('.')}. Make it writable, or train in one process (see --help)."
            ) from error
        with pool:
            yield pool
    else:
        yield None
