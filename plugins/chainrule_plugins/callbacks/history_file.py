"""The callback that writes a fit's curves to a file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from chainrule import Run, hookimpl


class HistoryFile:
    """Write the history as JSON after every epoch: an object of lists with one value (for an ensemble, a list) each.

    Values that are not finite become null, since JSON has no other form for them. The file is written under a
    temporary name and renamed, so that a reader never sees half of it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @hookimpl
    def chainrule_epoch_end(self, run: Run) -> None:
        curves = {name: _finite_or_none(curve.tolist()) for name, curve in run.history.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(self.path.name + ".tmp")
        temporary.write_text(json.dumps(curves), encoding="utf-8")
        temporary.replace(self.path)

    @classmethod
    def examples(cls) -> list[HistoryFile]:
        """Return instances that the conformance kit, in a folder of its own, and the documentation use."""
        return [cls("history.json")]

    def __repr__(self) -> str:
        return f'HistoryFile("{self.path}")'


def _finite_or_none(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite_or_none(part) for part in value]
    return value if math.isfinite(value) else None
