"""Every built-in component passes every check of its kind.

The checks that call the compiler run in the slow suite; so do those of many runs, but for the first rule of each form,
as said in tests/forms.py.
"""

import pytest

from chainrule.registry import load
from chainrule.registry.kinds import KINDS
from chainrule.testing import checks_of, run, subject
from tests.built_ins import BUILT_IN, built_in_rules
from tests.contracts.mirrored_tests import reference_of
from tests.forms import first_of_each_form
from tests.oracles import assert_follows

from .skips import SURPRISES, assert_justified

RULES = built_in_rules()
FIRST = first_of_each_form(RULES)
OF_MANY_RUNS = {
    "descends_on_an_ill_conditioned_quadratic",
    "descends_on_rosenbrock",
    "steps_follow_no_default",
    "values_per_member_count_for_each",
    "vmappable_is_as_declared",
}
DEAR = {(f"tasks:{name}", "fitting_reduces_the_loss") for name in ("char_transformer", "digits_cnn", "lstm_memory")}


def is_slow(record, check):
    """Whether the check is left to the slow suite."""
    return (
        check.compiles or (record.key, check.name) in DEAR or (check.name in OF_MANY_RUNS and load(record) not in FIRST)
    )


@pytest.mark.parametrize(
    ("record", "check"),
    [
        pytest.param(
            record, check, marks=pytest.mark.slow if is_slow(record, check) else (), id=f"{record.key}-{check.name}"
        )
        for record in BUILT_IN
        for check in checks_of(record.kind, compile=True)
    ],
)
def test_a_component_passes_a_check_or_is_skipped_for_a_reason_that_holds(record, check):
    reference = reference_of(load(record)) if record.kind == "optimizers" else None
    target = subject(f"{record.kind}:{record.full_name}", reference=reference)
    result = run(target, check)
    assert result.outcome != "failed", result.detail
    assert_justified(target, check, result)


@pytest.mark.parametrize("rule", [rule for rule in RULES if hasattr(rule, "eps")], ids=lambda rule: rule.__name__)
def test_a_rule_follows_its_reference_where_eps_is_large_enough_to_show_its_place(rule):
    for example in rule.examples():
        eps = (1e-2,) * len(example.eps) if isinstance(example.eps, tuple) else 1e-2
        assert_follows(reference_of(rule), rule, **{**vars(example), "eps": eps})


def test_every_kind_of_component_is_checked():
    assert {record.kind for record in BUILT_IN} == set(KINDS)
    assert all(checks_of(kind) for kind in KINDS)


def test_the_surprises_are_skips_of_built_in_components():
    assert set(SURPRISES) <= {(record.key, check.name) for record in BUILT_IN for check in checks_of(record.kind)}
