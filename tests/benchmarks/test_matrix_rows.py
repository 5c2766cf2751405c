"""The rows of rules that are not elementwise compare the same rules: ours take plain torch's steps."""

import importlib
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)


@pytest.fixture
def rows(monkeypatch):
    """Return the module, imported as the benchmark imports it."""
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("matrix_rows")


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("name", ["muon", "lamb", "adafactor"])
def test_ours_takes_the_steps_of_plain_torch(rows, name, members):
    assert rows.largest_difference(name, members=members) < rows.TOLERANCE


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("muon", {"momentum": 0.949}),
        ("muon", {"bias_lr": 0.101}),
        ("lamb", {"eps": 2e-6}),
        ("adafactor", {"lr": 1.01e-3}),
    ],
)
def test_another_rule_would_be_noticed(rows, name, settings):
    assert rows.largest_difference(name, **settings) > rows.TOLERANCE


def test_every_plain_rule_and_every_peer_has_a_row_of_ours(rows):
    names = {name.partition(",")[0] for name in rows.RULES}
    assert rows.PLAIN.keys() | rows.PEERS.keys() == names
