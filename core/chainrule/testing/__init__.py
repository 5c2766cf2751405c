"""The conformance kit: checks that every component of a kind must pass.

A test runs them all:

    @parametrize_checks("optimizers:lion", lr=1e-4)
    def test_lion(check):
        check()
"""

from chainrule.testing import (  # noqa: F401 - they register checks
    callbacks,
    compiled,
    defaults,
    initializers,
    losses,
    metrics,
    modules,
    optimizers,
    schedules,
    settings,
    tasks,
)
from chainrule.testing.check import (
    CHECKS,
    Check,
    CheckFailed,
    NotApplicable,
    Result,
    check,
    checks_of,
    every_check,
    run,
    run_all,
)
from chainrule.testing.parametrize import parametrize_checks
from chainrule.testing.subject import Subject, subject

__all__ = [
    "CHECKS",
    "Check",
    "CheckFailed",
    "NotApplicable",
    "Result",
    "Subject",
    "check",
    "checks_of",
    "every_check",
    "parametrize_checks",
    "run",
    "run_all",
    "subject",
]
