"""The rows of components compare the same: each gives what torch's own gives."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
NAMES = list(importlib.import_module("layer_twins").TWINS)
sys.path.remove(HERE)


@pytest.fixture
def rows(monkeypatch):
    """Return the module, imported as the benchmark imports it."""
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("layer_rows")


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("name", NAMES)
def test_both_give_the_same(rows, name):
    twin = rows.TWINS[name]
    rows.expect_same(name, *(one_pass() for one_pass in rows.eager(twin, twin.small)), twin.is_random)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("elu", {"only_ours": {"alpha": 1.01}}),
        ("pad constant", {"only_ours": {"value": 0.01}}),
        ("rms_norm", {"only_theirs": {"eps": 0.01}}),
        ("dropout", {"only_ours": {"p": 0.6}}),
        ("huber", {"only_ours": {"delta": 0.9}}),
    ],
)
def test_another_component_would_be_noticed(rows, name, others):
    twin = replace(rows.TWINS[name], **others)
    with pytest.raises(RuntimeError, match=f"{name} differs from torch's"):
        rows.expect_same(name, *(one_pass() for one_pass in rows.eager(twin, twin.small)), twin.is_random)
