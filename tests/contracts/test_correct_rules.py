"""No check may fail a correct rule, of whatever kind the contract allows. Those that compile run in the slow suite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chainrule import Optimizer
from chainrule.testing import Check, checks_of, run, subject

from .correct_rules import RULES, Muon, Qhm
from .skips import assert_justified

CHECKS = [check for check in checks_of("optimizers", compile=True) if not check.name.endswith("_the_reference")]


@pytest.mark.parametrize(
    ("rule", "check"),
    [
        pytest.param(rule, check, marks=pytest.mark.slow if check.compiles else (), id=f"{rule.__name__}-{check.name}")
        for rule in RULES
        for check in CHECKS
    ],
)
def test_no_check_fails_it_or_skips_it_without_a_reason(rule: type[Optimizer], check: Check) -> None:
    target = subject(rule)
    result = run(target, check)
    assert result.outcome != "failed", result.detail
    assert_justified(target, check, result)


def test_the_readmes_rule_passes() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (block,) = [code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "class Qhm(" in code]
    names: dict[str, Any] = {"__name__": __name__}
    exec(block, names)  # noqa: S102
    for check in CHECKS:
        if check.compiles:
            continue
        result = run(subject(names["Qhm"]), check)
        assert result.outcome != "failed", result.detail


def test_a_rule_defined_in_a_function_skips_the_fresh_process_with_the_reason() -> None:
    class Local(Qhm):
        pass

    (check,) = [check for check in checks_of("optimizers") if check.name == "resumes_in_a_fresh_process"]
    result = run(subject(Local), check)
    assert result.outcome == "skipped"
    assert result.detail.startswith("another process cannot import the rule: ")


def test_a_check_without_shapes_for_the_rule_is_skipped_with_the_reason() -> None:
    class OfRankFive(Muon):
        ranks = (5,)

    (check,) = [check for check in checks_of("optimizers") if check.name == "lr_of_zero_freezes"]
    result = run(subject(OfRankFive), check)
    assert result.outcome == "skipped"
    assert result.detail.endswith("has a rank in (5,)")
