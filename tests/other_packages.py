"""Hiding installed packages with components, so that the tests mean the same whatever else is installed."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from chainrule.registry.component import OWN_DISTRIBUTION
from chainrule.registry.discovery import read_declarations


def hide_other_packages(folder: Path) -> None:
    """Hide every package with components, chainrule's aside, from this process and from those that it starts.

    The first distribution of a name on the path counts, so one without components, put in front, hides the real one.
    """
    others = {component.distribution for component in read_declarations().components} - {OWN_DISTRIBUTION}
    for name in others:
        info = folder / f"{re.sub('[-_.]+', '_', name)}-0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
