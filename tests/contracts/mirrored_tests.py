"""The test file of a built-in component, at the path of its source file below tests/, and the oracle in it."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

from chainrule.testing.subject import Reference

ROOT = Path(__file__).parents[2]
SIGNATURE = "reference(rule, parameter, gradients)"


def mirrored_path(component: Any) -> Path:
    """Return tests/plugins/…/test_adam.py for the component in plugins/…/adam.py, whether or not it exists."""
    source = Path(inspect.getfile(component)).relative_to(ROOT)
    return ROOT / "tests" / source.parent / f"test_{source.name}"


def reference_of(rule: Any) -> Reference:
    """Return the function `reference` in the test file of an optimizer."""
    file = mirrored_path(rule)
    shown = file.relative_to(ROOT).as_posix()
    assert file.is_file(), f"{rule.__name__}: the oracle {SIGNATURE} must stand in {shown}, got no such file."
    found = getattr(import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)), "reference", None)
    assert callable(found), f"{rule.__name__}: {shown} must define the oracle {SIGNATURE}, got {found!r}."
    reference: Reference = found
    return reference
