"""The tests see no component of another package."""

import os
import subprocess
import sys

from chainrule import components
from chainrule.registry.component import OWN_DISTRIBUTION
from chainrule.registry.discovery import read_declarations
from tests.other_packages import hide_other_packages

OTHERS = (
    "from chainrule import components\nprint({component.distribution for component in components()} - {'chainrule'})"
)


def test_every_component_is_built_in():
    assert {component.distribution for component in components()} == {OWN_DISTRIBUTION}


def test_a_package_is_hidden_here_and_from_new_processes(tmp_path, monkeypatch):
    info = tmp_path / "site" / "another_rule-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Another-Rule\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[chainrule.optimizers]\nanother = another:Rule\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)

    def seen():
        here = {component.distribution for component in read_declarations().components} - {OWN_DISTRIBUTION}
        there = subprocess.run([sys.executable, "-c", OTHERS], capture_output=True, text=True, check=True).stdout
        return here, there.strip()

    assert seen() == ({"Another-Rule"}, "{'Another-Rule'}")
    hide_other_packages(tmp_path / "hidden")
    assert seen() == (set(), "set()")
