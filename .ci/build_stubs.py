"""Hatchling's build hook: write the stub of every kind, `core/chainrule/layers.pyi` and so on, from pyproject.toml.

A component is thereby known to editors and type checkers as soon as its entry point is installed.
"""

import runpy
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HEADING = "# Generated from pyproject.toml when chainrule is built or installed; not to be edited.\n"


class Stubs(BuildHookInterface):
    """Write the stubs before files are collected, of a wheel as of an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the interface's arguments
        """Write each stub that is not up to date."""
        root = Path(self.root)
        core = root / "core" / "chainrule"
        kind_stub = runpy.run_path(str(core / "cli" / "stub_text.py"))["kind_stub"]
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for group, addresses in project["entry-points"].items():
            door = core / f"{group.removeprefix('chainrule.')}.py"
            if door.is_file():
                stub, text = door.with_suffix(".pyi"), kind_stub(addresses, heading=HEADING, admits_others=True)
                if not stub.is_file() or stub.read_text(encoding="utf-8") != text:
                    stub.write_text(text, encoding="utf-8", newline="\n")
