"""`Check`, a named property that components must have, and `run`, which runs it on a component."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from chainrule.errors import ContractError, one_line
from chainrule.registry.kinds import kind_named
from chainrule.testing.subject import Subject

CHECKS: list[Check] = []
"""All checks, in report order."""


class CheckFailed(AssertionError):  # noqa: N818 - the name states the outcome
    """The component lacks the property; the message gives the expected and the actual value."""


class NotApplicable(Exception):  # noqa: N818 - not an error
    """The check does not apply to the component; the message is the reason."""


@dataclass(frozen=True)
class Check:
    """One property that components must have.

    Attributes:
        name: the name of the function.
        kinds: the kinds of component it applies to, such as "optimizers".
        description: what holds and why it matters, from the function's docstring.
        cause: the usual mistake behind a failure.
        once: whether it runs once per component rather than once per example.
        function: the implementation, which raises CheckFailed or NotApplicable.
    """

    name: str
    kinds: tuple[str, ...]
    description: str
    cause: str
    once: bool
    function: Callable[[Any], None]


@dataclass(frozen=True)
class Result:
    """The result of one check on one component.

    Attributes:
        component: its kind and name, such as "optimizers:lion".
        check: the name of the check.
        outcome: "passed", "failed" or "skipped".
        detail: the failure message or the reason for the skip, empty if the check passed.
        seconds: the duration.
        error: the exception behind a failure.
    """

    component: str
    check: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str
    seconds: float
    error: BaseException | None = None


def check(*kinds: str, cause: str, once: bool = False) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function as a check on components of the given kinds, with its docstring as the description.

    Args:
        kinds: such as "optimizers".
        cause: the usual mistake behind a failure.
        once: whether the function receives the Subject, once, rather than each example of the component.
    """

    def add(function: Callable[[Any], None]) -> Callable[[Any], None]:
        description = " ".join((function.__doc__ or "").split())
        CHECKS.append(Check(function.__name__, kinds, description, cause, once, function))
        return function

    return add


def checks_of(kind: str) -> list[Check]:
    """Return the checks on one kind of component."""
    plural = kind_named(kind)
    return [check for check in CHECKS if plural in check.kinds]


@contextmanager
def _apart() -> Iterator[None]:
    """Run the block without autograd, and isolate the caller's random state and warning filters."""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)
        yield


def run(subject: Subject, check: Check) -> Result:
    """Run one check on every example, with the same random seed each time, and return the result."""
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
    """Yield the result of each check, plus a failure if the component has no examples.

    A ContractError ends it, since every other check would fail by the same mistake.
    """
    try:
        with _apart():
            examples = subject.make_examples()
    except Exception as error:  # noqa: BLE001 - a component may raise anything
        detail = (
            f"{subject.label}: nothing_to_check failed: making its examples raised {one_line(error).rstrip('.')}. "
            "Usual cause: required arguments without an examples() that supplies them."
        )
        yield Result(subject.label, "nothing_to_check", "failed", detail, 0.0, error)
        return
    for one in checks:
        result = run(subject, one)
        yield result
        if isinstance(result.error, ContractError):
            return
    if not examples:
        detail = f"{subject.label}: nothing_to_check failed: no examples to check. Usual cause: examples() returns []."
        yield Result(subject.label, "nothing_to_check", "failed", detail, 0.0)


def _shown(example: Any) -> str:
    return " ".join(repr(example[0] if isinstance(example, tuple) else example).split())
