"""No check may fail a right layer or loss, of whatever kind the contract allows."""

import pytest

from chainrule.testing import run_all, subject
from chainrule.testing.check import checks_of

from .correct_modules import COMPONENTS, Logit
from .skips import assert_justified

SURPRISES = {
    ("layers:detached_forward", check): "torch cannot trace forward, whose output does not require a gradient"
    for check in ("gradients_agree_with_autograd", "wide_gradients_agree_with_autograd")
}


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.__name__)
def test_no_check_fails_it_or_skips_it_without_a_reason(component):
    target = subject(component)
    checks = checks_of(target.kind)
    for check, result in zip(checks, run_all(target, checks), strict=True):
        assert result.outcome != "failed", result.detail
        assert_justified(target, check, result, SURPRISES)


@pytest.mark.slow  # it compiles
def test_compiled_steps_stay_where_it_is_defined():
    target = subject(Logit)
    (check,) = [
        one for one in checks_of(target.kind, compile=True) if one.name == "a_compiled_step_equals_an_eager_one"
    ]
    (result,) = run_all(target, [check])
    assert result.outcome == "passed", result.detail
