"""CONTRIBUTING holds: each kind's first plugin passes all checks of its kind, and the generated part is up to date."""

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest

from chainrule.cli.component_file import subject_in_file
from chainrule.registry.kinds import KINDS, singular
from chainrule.testing import checks_of, run_all

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^\*\*An? (\w+)\*\*.*?^```python\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE))


def test_every_kind_has_its_first_plugin():
    assert set(BLOCKS) == {singular(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_plugin_of_each_kind_passes_its_checks(kind, tmp_path, monkeypatch):
    file = tmp_path / f"first_{singular(kind)}.py"
    file.write_text(BLOCKS[singular(kind)], encoding="utf-8")
    (name,) = [node.name for node in ast.parse(BLOCKS[singular(kind)]).body if isinstance(node, ast.ClassDef)]
    monkeypatch.setattr(sys, "path", list(sys.path))
    told = subject_in_file(f"{file}:{name}")
    assert told.kind == ("layers" if kind == "activations" else kind)  # a file does not tell these two apart
    for found in {told.kind: told, kind: subject_in_file(f"{kind}:{file}:{name}")}.values():
        results = list(run_all(found, checks_of(found.kind)))
        assert [result.detail for result in results if result.outcome == "failed"] == []
        assert any(result.outcome == "passed" for result in results)


def test_the_generated_part_is_up_to_date():
    generator = runpy.run_path(str(ROOT / ".ci" / "write_contract.py"))
    assert "`update(self, parameter: Tensor, grad: Tensor, state: State, step: Step)`" in generator["contract"]()
    assert generator["written"](TEXT) == TEXT, "run python .ci/write_contract.py"


def test_the_map_names_every_floor_of_the_core():
    parts = {path.name for path in (ROOT / "core" / "chainrule").iterdir() if path.name[0] not in "_."}
    modules = {f"{kind}.py" for kind in KINDS} | {"py.typed"}
    floors = {name.rstrip("/") for name in re.findall(r"`([a-z_]+(?:\.py|/))`", TEXT)}
    assert {name for name in parts - modules if not name.endswith(".pyi")} <= floors
