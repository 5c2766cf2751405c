"""Every registered component meets every demand of the conformance kit on its kind."""

import pytest

from chainrule import components
from chainrule.registry.kinds import KINDS
from chainrule.testing import checks_of, run, subject

from .references import REFERENCES
from .skips import SKIPS

BUILT_IN = [record for record in components() if record.distribution == "chainrule" and record.kind in KINDS]
EXPECTED = {(name, check): reason for (check, reason), names in SKIPS.items() for name in names}


@pytest.mark.parametrize(
    ("record", "check"),
    [(record, check) for record in BUILT_IN for check in checks_of(record.kind)],
    ids=lambda part: part.key if hasattr(part, "key") else part.name,
)
def test_a_component_meets_a_demand(record, check):
    reference = REFERENCES.get(record.name) if record.kind == "optimizers" else None
    result = run(subject(record.key, reference=reference), check)
    assert result.outcome != "failed", result.detail
    skipped = result.detail if result.outcome == "skipped" else None
    assert skipped == EXPECTED.get((record.key, check.name))


def test_every_kind_of_component_is_checked():
    assert {record.kind for record in BUILT_IN} == set(KINDS)
    assert all(checks_of(kind) for kind in KINDS)


def test_the_list_of_skips_names_only_what_exists():
    known = {(record.key, check.name) for record in BUILT_IN for check in checks_of(record.kind)}
    assert set(EXPECTED) <= known
