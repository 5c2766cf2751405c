"""The walk-through in CONTRIBUTING holds: each kind's first plugin passes all checks of its kind."""

import importlib
import re
from pathlib import Path

import pytest

from chainrule.component import KINDS, singular
from chainrule.testing import checks_of, run_all, subject

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^\*\*An? (\w+)\*\*.*?^```python\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE))


def test_every_kind_has_its_first_plugin():
    assert set(BLOCKS) == {singular(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_plugin_of_each_kind_passes_its_checks(kind, tmp_path, monkeypatch):
    module = f"first_{singular(kind)}"
    (tmp_path / f"{module}.py").write_text(BLOCKS[singular(kind)], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = vars(importlib.import_module(module)).values()
    (plugin,) = [value for value in found if getattr(value, "__module__", None) == module]
    results = list(run_all(subject(plugin, kind=kind), checks_of(kind)))
    assert [result.detail for result in results if result.outcome == "failed"] == []
    assert any(result.outcome == "passed" for result in results)
