"""No check may fail a right layer or loss, of whatever kind the contract allows."""

import pytest

from chainrule.testing import run_all, subject
from chainrule.testing.check import checks_of

from .correct_modules import COMPONENTS, DetachedForward


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.__name__)
def test_no_check_fails_it(component):
    target = subject(component)
    failed = [result.detail for result in run_all(target, checks_of(target.kind)) if result.outcome == "failed"]
    assert not failed


def test_a_forward_that_torch_cannot_trace_is_skipped_with_a_reason():
    target = subject(DetachedForward)
    (result,) = [r for r in run_all(target, checks_of("layers")) if r.check == "gradients_agree_with_autograd"]
    assert (result.outcome, result.detail) == (
        "skipped",
        "torch cannot trace forward, whose output does not require a gradient",
    )
