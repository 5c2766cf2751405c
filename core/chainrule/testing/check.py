"""`Check`: one named property of a component; and `run`, which checks a component for it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from chainrule.errors import one_line
from chainrule.testing.subject import Subject

CHECKS: list[Check] = []
"""Every check, in the order of reports."""


class CheckFailed(AssertionError):  # noqa: N818 - reads as what it says
    """A component lacks a property; the message names component, check, numbers and the usual cause."""


class NotApplicable(Exception):  # noqa: N818 - no error
    """A check does not apply to a component; the message is the reason."""


@dataclass(frozen=True)
class Check:
    """One property that components must have.

    Attributes:
        name: of the function that checks it.
        kinds: the kinds of component that it applies to.
        description: what holds, and why it matters; the function's docstring.
        cause: the usual mistake where it does not hold.
        once: whether it runs once per component rather than once per example.
        function: raises CheckFailed, or NotApplicable.
    """

    name: str
    kinds: tuple[str, ...]
    description: str
    cause: str
    once: bool
    function: Callable[[Any], None]


@dataclass(frozen=True)
class Result:
    """The outcome of one check on one component; detail is the failure's message or the reason for a skip."""

    component: str
    check: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str
    seconds: float
    error: BaseException | None = None


def check(*kinds: str, cause: str, once: bool = False) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Make a function a check of components of these kinds.

    The function gets each of the component's examples, or with once=True the Subject; its docstring is the description.
    """

    def add(function: Callable[[Any], None]) -> Callable[[Any], None]:
        description = " ".join((function.__doc__ or "").split())
        CHECKS.append(Check(function.__name__, kinds, description, cause, once, function))
        return function

    return add


def checks_of(kind: str) -> list[Check]:
    """Return the checks on components of a kind."""
    return [check for check in CHECKS if kind in check.kinds]


@contextmanager
def _apart() -> Iterator[None]:
    """Isolate the caller's random state and warning filters."""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)
        yield


def run(subject: Subject, check: Check) -> Result:
    """Run one check on every example and return the result; random numbers are the same in every run."""
    start = time.perf_counter()
    reasons: list[str] = []
    ran = 0
    try:
        with _apart():
            for example in [subject] if check.once else subject.make_examples():
                torch.manual_seed(0)
                try:
                    check.function(example)
                    ran += 1
                except NotApplicable as reason:
                    reasons.append(str(reason))
    except Exception as error:  # noqa: BLE001 - a component may raise anything
        message = (
            str(error)
            if isinstance(error, CheckFailed)
            else f"raised {type(error).__name__}: {str(error).rstrip('.')}."
        )
        shown = "" if check.once else f" on {_shown(example)}" if "example" in locals() else " while making examples"
        detail = f"{subject.label}: {check.name} failed{shown}: {message} Usual cause: {check.cause}"
        return Result(subject.label, check.name, "failed", detail, time.perf_counter() - start, error)
    outcome: Literal["passed", "skipped"] = "passed" if ran else "skipped"
    detail = "" if ran else "; ".join(dict.fromkeys(reasons)) or "no examples"
    return Result(subject.label, check.name, outcome, detail, time.perf_counter() - start)


def run_all(subject: Subject, checks: Iterable[Check]) -> Iterable[Result]:
    """Yield the result of each check, and a failure for a component without examples."""
    try:
        with _apart():
            examples = subject.make_examples()
    except Exception as error:  # noqa: BLE001 - a component may raise anything
        detail = (
            f"{subject.label}: nothing_to_check failed: making its examples raised {one_line(error).rstrip('.')}. "
            "Usual cause: it has required arguments, and no examples() that give them."
        )
        yield Result(subject.label, "nothing_to_check", "failed", detail, 0.0, error)
        return
    yield from (run(subject, one) for one in checks)
    if not examples:
        detail = f"{subject.label}: nothing_to_check failed: it has no examples. Usual cause: examples() returns none."
        yield Result(subject.label, "nothing_to_check", "failed", detail, 0.0)


def _shown(example: Any) -> str:
    return " ".join(repr(example[0] if isinstance(example, tuple) else example).split())
