"""The conformance kit: checks that tell the author of any component whether it is right.

In a test, two lines do it:

    @parametrize_checks("optimizers:lion", lr=1e-4)
    def test_lion(check):
        check()
"""

from chainrule.testing import callbacks, initializers, losses, modules, optimizers, schedules, settings, tasks  # noqa: F401 - list their checks
from chainrule.testing.check import CHECKS, Check, CheckFailed, NotApplicable, Result, check, checks_of, run, run_all
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
    "parametrize_checks",
    "run",
    "run_all",
    "subject",
]
