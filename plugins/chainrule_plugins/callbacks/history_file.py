"""The callback that writes a fit's curves to a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from chainrule import ChainruleError, hookimpl


class HistoryFile:
    """Write one line of JSON per epoch, such as ``{"epoch": 1, "train_loss": 0.7}``; for an ensemble, of lists (M,).

    Values that are not finite become null, since JSON has no other form for them. A fit starts the file anew at its
    first epoch and then appends each line by a single write, which is undone if it fails, so that a reader sees whole
    lines at any time. ``pandas.read_json(path, lines=True)`` reads them.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self.path = Path(path).expanduser()
        except TypeError as error:
            raise ChainruleError(
                f'history_file: the path must be text or a Path, got {path!r}. Pass "history.jsonl", for example.'
            ) from error
        except RuntimeError as error:
            raise ChainruleError(
                f'history_file: the path must begin with a home folder that exists, got "{path}". Write it out.'
            ) from error
        self._target = self.path

    @hookimpl
    def chainrule_fit_start(self) -> None:
        with self._explained():
            self._target = self.path.absolute()  # which fails in a folder that no longer exists
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._target.open("ab").close()  # fails now rather than after the first epoch

    @hookimpl
    def chainrule_epoch_end(self, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        values = {name: _finite_or_none(value.tolist()) for name, value in metrics.items()}
        line = memoryview(f"{json.dumps({'epoch': epoch, **values})}\n".encode())
        with self._explained(), self._target.open("wb" if epoch == 1 else "ab", buffering=0) as file:
            before = file.tell() if file.seekable() else None
            try:
                while line:
                    line = line[file.write(line) :]
            except BaseException:
                if before is not None:
                    with suppress(OSError):  # of a device; the first error is the one to tell
                        file.truncate(before)
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # the latter for a path with a zero byte
            reason = getattr(error, "strerror", None) or error
            raise ChainruleError(
                f"history_file: the path must be that of a file that can be written, got {self.path} "
                f"({reason}). Choose another."
            ) from error

    @classmethod
    def examples(cls) -> list[HistoryFile]:
        """Return instances that the conformance kit, in a folder of its own, and the documentation use."""
        return [cls("history.jsonl")]

    def __repr__(self) -> str:
        return f'HistoryFile("{self.path}")'


def _finite_or_none(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite_or_none(part) for part in value]
    return value if math.isfinite(value) else None
