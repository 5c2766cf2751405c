"""`Check`, a named property that components must have, and `run`, which runs it on a component."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

import chainrule
from chainrule import registry
from chainrule.arguments import flag, shown
from chainrule.calls import explained
from chainrule.errors import ChainruleError, ContractError, one_line
from chainrule.registry.kinds import kind_named
from chainrule.testing.subject import Subject

CHECKS: list[Check] = []
"""The checks made so far, in report order; `every_check` has those that packages contribute too."""

OWN = "chainrule"
"""The origin of the kit's own checks."""


class CheckFailed(AssertionError):  # noqa: N818 - the name states the outcome
    """The component lacks the property; the message gives the expected and the actual value."""


class NoNumbers(CheckFailed):
    """The component is NaN for its examples, so that every check would fail; the message gives the remedy."""


class WrongReference(CheckFailed):
    """The reference is at fault rather than the component; the message gives the remedy."""


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
        limit: the number of examples that a slow check looks at, the first ones that it applies to; None for all.
        function: the implementation, which raises CheckFailed or NotApplicable.
        compiles: whether it calls the compiler, which takes seconds; such a check runs only where it is asked for.
    """

    name: str
    kinds: tuple[str, ...]
    description: str
    cause: str
    once: bool
    limit: int | None
    function: Callable[[Any], None]
    compiles: bool = False

    @property
    def origin(self) -> str:
        """The package whose check it is."""
        return self.function.__module__.partition(".")[0]


@dataclass(frozen=True)
class Result:
    """The result of one check on one component.

    Attributes:
        component: its kind and name, such as "optimizers:lion".
        check: the name of the check.
        outcome: "passed", "failed" or "skipped".
        detail: the failure message, the reason for the skip, or which examples a check that passed has not looked at;
            empty if it has looked at all.
        seconds: the duration.
        error: the exception behind a failure.
        looked_at: the number of examples that the check has looked at.
        examples: the number of examples of the component.
        version: that of the kit, which is chainrule's.
        origin: the package whose check it is.
    """

    component: str
    check: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str
    seconds: float
    error: BaseException | None = None
    looked_at: int = 0
    examples: int = 0
    version: str = chainrule.__version__
    origin: str = OWN


def title(name: str, origin: str) -> str:
    """Return the name of a check for reports, with its origin where that is not the kit itself."""
    return name if origin == OWN else f"{name} ({origin})"


@explained
def check(
    *kinds: str, cause: str, once: bool = False, limit: int | None = None, compiles: bool = False
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function as a check on components of the given kinds, with its docstring as the description.

    Args:
        kinds: such as "optimizers".
        cause: the usual mistake behind a failure.
        once: whether the function receives the Subject, once, rather than each example of the component.
        limit: the number of examples that a slow check looks at.
        compiles: whether it calls the compiler.
    """
    plural = tuple(kind_named(kind) for kind in kinds)

    def add(function: Callable[[Any], None]) -> Callable[[Any], None]:
        description = " ".join((function.__doc__ or "").split())
        CHECKS.append(Check(function.__name__, plural, description, cause, once, limit, function, compiles))
        return function

    return add


def every_check() -> list[Check]:
    """Return the kit's checks and those that packages contribute by the hook ``chainrule_checks``."""
    registry.import_check_modules()
    return list(CHECKS)


@explained
def checks_of(kind: str, *, compile: bool = False) -> list[Check]:
    """Return the checks on one kind of component, with those that call the compiler only if asked for."""
    plural, compile = kind_named(kind), flag("checks_of", "compile", compile)
    return [check for check in every_check() if plural in check.kinds and (compile or not check.compiles)]


@contextmanager
def apart() -> Iterator[None]:
    """Run the block on the CPU, in float32 and without autograd, apart from the caller's random state and warnings."""
    dtype = torch.get_default_dtype()
    on_cpu = torch.get_default_device().type == "cpu"  # where it is, the context would slow every operation down
    torch.set_default_dtype(torch.float32)
    try:
        with (
            nullcontext() if on_cpu else torch.device("cpu"),
            torch.inference_mode(False),
            torch.no_grad(),
            torch.random.fork_rng(devices=[]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", category=UserWarning)
            yield
    finally:
        torch.set_default_dtype(dtype)


@explained
def run(subject: Subject, check: Check) -> Result:
    """Run one check on every example, with the same random seed each time, and return the result.

    A component without examples fails, since nothing of it would be looked at.

    Raises:
        ChainruleError: if the arguments are no subject and check, or the check is one of another kind.
    """
    _expect_subject("run", subject)
    if not isinstance(check, Check):
        raise ChainruleError(f"run: check must be one of checks_of(kind), got {shown(check)}. Pass one of these.")
    if subject.kind not in check.kinds:
        kinds = " and ".join(check.kinds)
        raise ChainruleError(f"run: {check.name} must be run on {kinds}, got {subject.label}. Pass one of its checks.")
    start = time.perf_counter()
    examples: list[Any] = []
    reasons: list[str] = []
    looked_at = 0
    where = " while making examples"

    def result(outcome: Literal["passed", "failed", "skipped"], detail: str, error: BaseException | None) -> Result:
        seconds = time.perf_counter() - start
        return Result(
            subject.label,
            check.name,
            outcome,
            detail,
            seconds,
            error,
            looked_at=looked_at,
            examples=len(examples),
            origin=check.origin,
        )

    try:
        with apart():
            examples += subject.make_examples()
            expect_examples(examples)
            for example in [subject] if check.once else examples:
                where = "" if check.once else f" on {_shown(example)}"
                torch.manual_seed(0)
                try:
                    check.function(example)
                except NotApplicable as reason:
                    reasons.append(str(reason))
                else:
                    looked_at += len(examples) if check.once else 1
                if looked_at == check.limit:
                    break
    except Exception as error:  # noqa: BLE001 - a component may raise anything
        message = str(error) if isinstance(error, CheckFailed) else f"raised {one_line(error).rstrip('.')}."
        cause = "" if isinstance(error, NoNumbers | WrongReference) else f" Usual cause: {check.cause}"
        detail = f"{subject.label}: {title(check.name, check.origin)} failed{where}: {message}{cause}"
        return result("failed", detail, error)
    why = "; ".join(dict.fromkeys(reasons))
    if not looked_at:
        return result("skipped", why, None)
    part = f"looked at {looked_at} of {len(examples)} examples" if looked_at < len(examples) else ""
    return result("passed", ": ".join(filter(None, (part, why))), None)


def expect_examples(examples: Sequence[Any]) -> None:
    """Raise CheckFailed if there are none."""
    if not examples:
        raise CheckFailed("there must be at least one example, got 0.")


def _expect_subject(owner: str, given: object) -> None:
    if not isinstance(given, Subject):
        raise ChainruleError(f"{owner}: subject must be a Subject, got {shown(given)}. Make it with subject(…).")


@explained
def run_all(subject: Subject, checks: Iterable[Check]) -> Iterable[Result]:
    """Yield the result of each check, plus a failure if the component has no examples.

    A ContractError ends it, as do examples that give NaN, since every other check would fail by the same mistake.
    """
    _expect_subject("run_all", subject)
    try:
        with apart():
            expect_examples(subject.make_examples())
    except Exception as error:  # noqa: BLE001 - a component may raise anything
        said = f"making its examples raised {one_line(error).rstrip('.')}."
        said += " Usual cause: required arguments without an examples() that supplies them."
        if isinstance(error, CheckFailed):
            said = f"{error} Usual cause: examples() returns []."
        elif isinstance(error, ContractError):
            said = str(error)
        detail = f"{subject.label}: nothing_to_check failed: {said}"
        yield Result(subject.label, "nothing_to_check", "failed", detail, 0.0, error)
        return
    for one in checks:
        result = run(subject, one)
        yield result
        if isinstance(result.error, ContractError | NoNumbers):
            return


def _shown(example: Any) -> str:
    return " ".join(repr(example[0] if isinstance(example, tuple) else example).split())
