"""`parametrize_checks`: every check on a component as a pytest test."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from chainrule.calls import explained
from chainrule.errors import ContractError
from chainrule.testing.check import Check, Result, checks_of, run
from chainrule.testing.subject import Reference, Subject, subject

Test = TypeVar("Test", bound=Callable[..., Any])


@explained
def parametrize_checks(
    component: str | type | Callable[..., Any],
    /,
    *args: Any,
    kind: str | None = None,
    reference: Reference | None = None,
    compile: bool = False,
    **settings: Any,
) -> Callable[[Test], Test]:
    """Parametrize a test function over the checks on a component; the arguments are those of `subject` and `checks_of`.

    The function receives each check as `check` and calls it. A check that does not apply is skipped with its reason, as
    are all that follow one that raised a ContractError.
    """
    import pytest

    target = subject(component, *args, kind=kind, reference=reference, **settings)
    broken: list[Result] = []
    checks = [(partial(call, target, check, broken), check.name) for check in checks_of(target.kind, compile=compile)]
    return pytest.mark.parametrize("check", [pytest.param(function, id=name) for function, name in checks])


def call(target: Subject, check: Check, broken: list[Result]) -> None:
    """Run one check inside a pytest test: fail with its message or skip with its reason.

    A result with a ContractError joins `broken`, and no other check is run then: all would fail by the same mistake.
    """
    import pytest

    if broken and broken[0].check != check.name:
        pytest.skip(f"not run: {broken[0].check} found that {target.label} breaks the contract")
    result = run(target, check)
    if isinstance(result.error, ContractError):
        broken.append(result)
    if result.outcome == "failed":
        raise AssertionError(result.detail) from result.error
    if result.outcome == "skipped":
        pytest.skip(result.detail)
