"""`parametrize_checks`: every check on a component as a pytest test."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from chainrule.testing.check import Check, checks_of, run
from chainrule.testing.subject import Reference, Subject, subject

Test = TypeVar("Test", bound=Callable[..., Any])


def parametrize_checks(
    component: str | type | Callable[..., Any],
    /,
    *args: Any,
    kind: str | None = None,
    reference: Reference | None = None,
    **settings: Any,
) -> Callable[[Test], Test]:
    """Parametrize a test function over the checks on a component; the arguments are those of `subject`.

    The function receives each check as `check` and calls it. A check that does not apply is skipped with its reason.
    """
    import pytest

    target = subject(component, *args, kind=kind, reference=reference, **settings)
    checks = [pytest.param(partial(call, target, check), id=check.name) for check in checks_of(target.kind)]
    return pytest.mark.parametrize("check", checks)


def call(target: Subject, check: Check) -> None:
    """Run one check inside a pytest test: fail with its message or skip with its reason."""
    import pytest

    result = run(target, check)
    if result.outcome == "failed":
        raise AssertionError(result.detail) from result.error
    if result.outcome == "skipped":
        pytest.skip(result.detail)
