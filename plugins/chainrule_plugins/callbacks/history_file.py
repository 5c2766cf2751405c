"""The callback that writes a fit's curves to a file, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from chainrule import hookimpl
from chainrule_plugins.line_file import LineFile


class HistoryFile(LineFile):
    """Write one line of JSON per epoch, such as ``{"epoch": 1, "train_loss": 0.7}``; for an ensemble, of lists (M,).

    Values that are not finite become null, since JSON has no other form for them. A fit starts the file anew at its
    first epoch and then appends each line by a single write, which is undone if it fails, so that a reader sees whole
    lines at any time. ``pandas.read_json(path, lines=True)`` reads them.
    """

    example_path: ClassVar[str] = "history.jsonl"

    @hookimpl
    def chainrule_epoch_end(self, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        values = {name: _finite_or_none(value.tolist()) for name, value in metrics.items()}
        self.write(f"{json.dumps({'epoch': epoch, **values})}\n", anew=epoch == 1)

    @classmethod
    def examples(cls) -> list[HistoryFile]:
        """Return instances that the conformance kit, in a folder of its own, and the documentation use."""
        return [cls("history.jsonl")]


def _finite_or_none(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite_or_none(part) for part in value]
    return value if math.isfinite(value) else None
