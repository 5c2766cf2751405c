"""`LineFile`: a file to which a fit adds lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar
from weakref import WeakValueDictionary

from chainrule import ChainruleError, hookimpl, label
from chainrule.ops import shown


class LineFile:
    """A callback's file of lines, each addition a single write that is undone if it fails.

    A resumed run first takes away what it wrote after its checkpoint.
    """

    example_path: ClassVar[str]

    _in_use: ClassVar[WeakValueDictionary[Path, LineFile]] = WeakValueDictionary()

    def __init__(self, path: str | Path) -> None:
        owner = label(self)
        if not isinstance(path, str | Path) or not str(path):
            raise ChainruleError(
                f'{owner}: the path must be text or a Path, got {shown(path)}. Pass "{self.example_path}", for example.'
            )
        try:
            self.path = Path(path).expanduser()
        except RuntimeError as error:
            raise ChainruleError(
                f'{owner}: the path must begin with a home folder that exists, got "{path}". Write it out.'
            ) from error
        self._target = self.path
        self._size: int | None = None  # once this fit has written lines to a file that has a size

    @hookimpl
    def chainrule_fit_start(self) -> None:
        with self._explained():
            self._size = None
            self._target = self.path.absolute()  # which fails in a folder that no longer exists
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._target.open("ab").close()  # fails now rather than after the first epoch
        path = self._target.resolve()
        if path.is_file() and LineFile._in_use.setdefault(path, self) is not self:
            raise ChainruleError(
                f"{label(self)}: the path must be written by one callback at a time, got {self.path} for two. "
                "Choose another for this one."
            )

    @hookimpl
    def chainrule_fit_end(self) -> None:
        for path in [path for path, user in LineFile._in_use.items() if user is self]:
            del LineFile._in_use[path]

    def write(self, lines: str, *, anew: bool) -> None:
        """Add lines to the file, or let it hold these alone."""
        left = memoryview(lines.encode())
        with self._explained(), self._target.open("wb" if anew else "ab", buffering=0) as file:
            before = file.tell() if file.seekable() else None
            try:
                while left:
                    left = left[file.write(left) :]
                self._size = file.tell() if self._target.is_file() else None
            except BaseException:
                if before is not None:
                    with suppress(OSError):  # of a device; the first error is the one to tell
                        file.truncate(before)
                raise

    def state_dict(self) -> dict[str, int | None]:
        return {"size": self._size}

    def load_state_dict(self, saved: Mapping[str, int | None]) -> None:
        self._size = saved["size"]
        if self._size is None:
            return
        with self._explained():
            found = self._target.stat().st_size
            if found >= self._size:
                os.truncate(self._target, self._size)
        if found < self._size:
            raise ChainruleError(
                f"{label(self)}: {self.path} must have the {self._size} bytes that the run to resume wrote, got "
                f"{found}. Put the file back, or delete the checkpoint to start anew."
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # the latter for a path with a zero byte
            reason = getattr(error, "strerror", None) or error
            raise ChainruleError(
                f"{label(self)}: the path must be that of a file that can be written, got {self.path} "
                f"({reason}). Choose another."
            ) from error

    def __repr__(self) -> str:
        return f'{type(self).__name__}("{self.path}")'
