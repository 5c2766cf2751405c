"""Every wrong component is found, by the check that is meant to find it; and every check finds one.

Those that a plugin contributes have their wrong components in its tests.

Each wrong component goes through one check, so that their time grows with the kit and not with the catalogue. All run
in the normal suite, also through the checks that compile or start a process.
"""

import re

import pytest

from chainrule.testing import CHECKS, checks_of, run, subject

from .mutants import Mutant, every_mutant

MUTANTS = every_mutant()


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_wrong_component_fails_by_the_check_meant_for_it(mutant: Mutant) -> None:
    target = subject(mutant.component, kind=mutant.kind, **mutant.settings)
    (check,) = [check for check in checks_of(mutant.kind, compile=True) if check.name == mutant.check]
    result = run(target, check)
    assert result.outcome == "failed", f"{mutant} {result.outcome} {result.detail}"
    message = result.detail.removeprefix(f"{target.label}: {check.name} failed")
    assert message != result.detail
    assert re.search(r"\d|\bgot\b|\bneeds\b", message)
    assert "\n" not in message
    assert check.cause in message


@pytest.mark.parametrize(
    "check", [check for check in CHECKS if check.origin == "chainrule"], ids=lambda check: check.name
)
def test_every_check_finds_a_wrong_component(check) -> None:
    assert any(mutant.check == check.name and mutant.kind in check.kinds for mutant in MUTANTS)
