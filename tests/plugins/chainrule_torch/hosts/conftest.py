"""What the tests of hosts share: packages of other authors beside the built-in rules, and a torchvision that loads."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from chainrule.registry import lookup

EXAMPLES = Path(__file__).parents[4] / "examples"
PACKAGES = "chainrule-qhadam", "chainrule-dog"


@pytest.fixture(scope="module", autouse=True)
def example_packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the example packages be installed, as far as Python can tell."""
    site, before = tmp_path_factory.mktemp("site"), list(sys.path)
    for name in PACKAGES:
        project = tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = site / f"{name.replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        lines = [
            line
            for group, entries in project["entry-points"].items()
            for line in (f"[{group}]", *(f"{entry} = {place}" for entry, place in entries.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        sys.path.insert(0, str(EXAMPLES / name / "src"))
    sys.path.insert(0, str(site))
    lookup._of_process.clear()
    yield
    sys.path[:] = before
    lookup._of_process.clear()
    for name in PACKAGES:
        sys.modules.pop(name.replace("-", "_"), None)


def declare_operators_of_torchvision() -> None:
    """Declare the operators without which torchvision cannot be imported, and which its wheel for CUDA may not load.

    timm, transformers and lightning import it where it is installed; no optimizer needs the operators.
    """
    if importlib.util.find_spec("torchvision") is None or torch.cuda.is_available():
        return
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # declared already
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


declare_operators_of_torchvision()
