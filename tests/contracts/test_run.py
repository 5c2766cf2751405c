"""What a check has looked at is told, and no component passes unseen."""

import re
from contextlib import contextmanager

import pytest
import torch

import chainrule
from chainrule.testing import CHECKS, Check, CheckFailed, NotApplicable, checks_of, run, run_all, subject
from chainrule.testing.compare import expect_close
from chainrule.testing.subject import Subject
from chainrule_plugins.optimizers.sgd import Sgd


def component(*examples):
    return Subject("optimizers", "numbers", None, lambda: list(examples))


def checking(function, *, once=False, limit=None):
    return Check("small", ("optimizers",), "", "a mistake.", once, limit, function)


def small(number):
    if number > 10:
        raise NotApplicable(f"{number} is too large")
    if number < 0:
        raise CheckFailed(f"the number must be at least 0, got {number}.")


@pytest.mark.parametrize(
    ("examples", "outcome", "looked_at", "detail"),
    [
        ((1, 2, 3), "passed", 3, ""),
        ((1, 20, 30), "passed", 1, "looked at 1 of 3 examples: 20 is too large; 30 is too large"),
        ((20, 1), "passed", 1, "looked at 1 of 2 examples: 20 is too large"),
        ((20, 20), "skipped", 0, "20 is too large"),
        (
            (1, -1, 2),
            "failed",
            1,
            "small (tests) failed on -1: the number must be at least 0, got -1. Usual cause: a mistake.",
        ),
        ((), "failed", 0, "small (tests) failed: there must be at least one example, got 0. Usual cause: a mistake."),
    ],
)
def test_a_result_tells_how_many_examples_were_looked_at(examples, outcome, looked_at, detail):
    found = run(component(*examples), checking(small))
    assert (found.outcome, found.looked_at, found.examples) == (outcome, looked_at, len(examples))
    assert found.version == chainrule.__version__
    assert found.detail.removeprefix("optimizers:numbers: ").replace(" while making examples", "") == detail


def test_a_slow_check_looks_at_the_first_examples_that_it_applies_to_and_says_so():
    seen = []
    found = run(component(20, 1, 2, 3), checking(lambda number: (seen.append(number), small(number)), limit=2))
    assert seen == [20, 1, 2]
    assert (found.outcome, found.looked_at, found.examples) == ("passed", 2, 4)
    assert found.detail == "looked at 2 of 4 examples: 20 is too large"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_no_check_passes_a_component_without_examples(check):
    for kind in check.kinds:
        target = Subject(kind, "nothing", Sgd, list)
        assert run(target, check).outcome == "failed"
        (result,) = run_all(target, checks_of(kind))
        assert (result.check, result.outcome) == ("nothing_to_check", "failed")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [1.0, 0.1, -3e10, 1e-30])
@pytest.mark.parametrize("places", [1, 2])
def test_numbers_that_differ_in_the_last_place_are_told_apart(dtype, value, places):
    expected = torch.tensor([0.0, value], dtype=dtype)
    got = expected.clone()
    for _ in range(places):
        got = torch.nextafter(got, torch.full_like(got, 2 * value))
    got[0] = 0
    with pytest.raises(CheckFailed) as caught:
        expect_close("the value", got, expected)
    must, does = re.search(r"must be (\S+) at \[1\], got (\S+) \(1 of 2", str(caught.value)).groups()
    assert must != does
    assert [float(must), float(does)] == pytest.approx([expected[1].item(), got[1].item()], rel=1e-11)
    assert f"by {places} unit{'s' * (places > 1)} in the last place of {dtype})." in str(caught.value)


@contextmanager
def other_defaults():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.inference_mode():
            yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("name", ["layers:linear", "losses:nll", "initializers:zeros", "tasks:circle"])
def test_the_defaults_of_the_caller_change_no_outcome(name):
    target = subject(name)
    expected = [(found.check, found.outcome, found.detail) for found in run_all(target, checks_of(target.kind))]
    with other_defaults():
        got = [(found.check, found.outcome, found.detail) for found in run_all(target, checks_of(target.kind))]
        assert torch.get_default_device().type == "meta"
        assert torch.get_default_dtype() == torch.float64
        assert torch.is_inference_mode_enabled()
    assert got == expected


def test_numbers_that_differ_much_are_given_with_twelve_digits():
    with pytest.raises(CheckFailed, match=r"must be 0\.333333333333 at \[0\], got 0\.5 \(1 of 1 .*, tolerance 0\)\.$"):
        expect_close("the value", torch.tensor([0.5]).double(), torch.tensor([1 / 3], dtype=torch.float64))


def test_nan_agrees_with_nothing():
    nan = torch.tensor([1.0, torch.nan])
    with pytest.raises(CheckFailed, match=r"must be nan at \[1\], got nan \(1 of 2 elements differ"):
        expect_close("the value", nan, nan, tolerance=1.0)


def test_booleans_are_equal_or_are_not():
    mask = torch.tensor([True, False])
    expect_close("the mask", mask, mask.clone())
    with pytest.raises(CheckFailed, match=r"^the mask must be 0 at \[1\], got 1 \(1 of 2 elements differ"):
        expect_close("the mask", torch.tensor([True, True]), mask, tolerance=1e-12)
