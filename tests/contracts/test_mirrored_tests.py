"""Each built-in component has a test file that mirrors its source file, and each rule its oracle in it."""

import sys
import types

import pytest

from chainrule import Optimizer
from chainrule.registry import load
from chainrule_plugins.optimizers.adam import Adam
from tests.built_ins import BUILT_IN
from tests.contracts.mirrored_tests import ROOT, mirrored_path, reference_of

RULES = [record for record in BUILT_IN if record.kind == "optimizers"]


def key(record):
    return record.key


@pytest.mark.parametrize("record", BUILT_IN, ids=key)
def test_a_built_in_component_has_a_test_file(record):
    path = mirrored_path(load(record)).relative_to(ROOT)
    assert (ROOT / path).is_file(), f"{record.key}: its tests must stand in {path.as_posix()}, got no such file."


@pytest.mark.parametrize("record", RULES, ids=key)
def test_a_built_in_rule_has_its_oracle_in_its_test_file(record):
    assert reference_of(load(record)).__module__ == f"tests.plugins.chainrule_plugins.optimizers.test_{record.name}"


def test_a_rule_without_a_test_file_is_told_where_to_write_its_oracle():
    class Novel(Optimizer):
        pass

    with pytest.raises(
        AssertionError, match=r"^Novel: the oracle reference\(.*\) must stand in .*, got no such file\."
    ):
        reference_of(Novel)


def test_a_test_file_without_an_oracle_is_named(monkeypatch):
    name = reference_of(Adam).__module__
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with pytest.raises(
        AssertionError, match=r"^Adam: tests/plugins/.*/test_adam\.py must define the oracle reference\("
    ):
        reference_of(Adam)
