"""Checks of many components, shared among as many processes as there are processors."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import torch

from chainrule.cli.component_file import subject_named
from chainrule.cli.worker_processes import end_with_the_parent
from chainrule.errors import ChainruleError
from chainrule.testing import Check, Result, Subject, checks_of, run_all

MANY = 8
"""From this number of components on, the start of further processes is worth its seconds."""


@dataclass(frozen=True)
class Plan:
    """The checks to run on a component.

    Attributes:
        address: the text by which another process finds the component.
        subject: the component.
        checks: its checks.
    """

    address: str
    subject: Subject
    checks: Sequence[Check]


def results_of(plans: Sequence[Plan]) -> Iterator[Iterable[Result]]:
    """Yield the results of each plan, in the order of the plans.

    Raises:
        ChainruleError: if a process ends that checks, as by a crash of a component.
    """
    processes = min(len(plans), _processors())
    pool = None if len(plans) < MANY or processes == 1 else _pool(processes)
    if pool is None:
        for plan in plans:
            yield run_all(plan.subject, plan.checks)
        return
    try:
        waiting = [
            pool.submit(_results, plan.address, [(check.origin, check.name) for check in plan.checks]) for plan in plans
        ]
        for plan, results in zip(plans, waiting, strict=True):
            yield _awaited(plan, results)
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(processes: int) -> ProcessPoolExecutor | None:
    """Return a pool of so many processes, or None where the system has no place for their locks."""
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // processes)
    try:
        return ProcessPoolExecutor(processes, context, initializer=_prepare, initargs=(threads,))
    except (OSError, NotImplementedError):  # /dev/shm cannot be written; Python was built without semaphores
        return None


def _awaited(plan: Plan, results: Future[list[Result]]) -> list[Result]:
    try:
        return results.result()
    except BrokenProcessPool as error:
        raise ChainruleError(
            f"check: {plan.subject.label}, or one near it, ended the process that checked it. "
            f"Check them one by one, such as chainrule check {plan.address}."
        ) from error


def _prepare(threads: int) -> None:
    """Let a process use some threads, print nothing among the results, and end when interrupted or left alone."""
    end_with_the_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(threads)
    sys.stdout = sys.stderr


def _results(address: str, names: Sequence[tuple[str, str]]) -> list[Result]:
    """Check a component in this process; the results are without the exceptions, which may not pass to another."""
    subject = subject_named(address, owner="check")
    chosen = [check for check in checks_of(subject.kind, compile=True) if (check.origin, check.name) in names]
    results = run_all(subject, chosen)
    return [dataclasses.replace(result, error=None) for result in results]


def _processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
