"""`CheckpointFile`: a state of numbers, text and tensors in a file that is whole at any time."""

from __future__ import annotations

import glob
import os
import time
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch.serialization import default_restore_location

from chainrule.arguments import shown
from chainrule.errors import ChainruleError, StateError
from chainrule.updates.rates import Rates

MARK = b"chainrule run "
FORMAT = b"0001"
END = len(MARK) + len(FORMAT) + 8
"""The bytes after those of `torch.save`, which `torch.load` passes over: mark, format, and their CRC-32 as 8 digits."""

ABANDONED = 3600.0
"""Seconds after which a file that is still not renamed has nobody that writes it, on this machine or another."""

MAPPINGS = (dict, OrderedDict, Rates)
"""The kinds of dict that torch.load takes without running code."""

PLAIN = (type(None), bool, int, float, str, bytes, torch.Tensor, torch.dtype, torch.device)


class CheckpointFile:
    """A file that is replaced as a whole: written beside it, flushed to the disk, and renamed.

    Args:
        path: its path.
        parts: the names of what a state consists of.

    Raises:
        ChainruleError: if it cannot be written.
    """

    def __init__(self, path: str | Path, parts: Collection[str]) -> None:
        self._parts = set(parts)
        if not isinstance(path, str | Path) or not str(path):
            raise ChainruleError(f'fit: checkpoint must be text or a Path, got {shown(path)}. Pass "run.ckpt".')
        with self._explained(path):
            self.path = Path(path).expanduser().resolve()  # a link's target is what is replaced
            if self.path.exists() and not self.path.is_file():
                raise ValueError("no file")
            self._beside = self.path.with_name(f".{self.path.name}.{uuid4().hex}.part")
            self._beside.touch()  # fails now rather than after the first epoch
            self._beside.unlink()
            self._take_away_what_is_left()

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file; if that fails, it stays as it is.

        Raises:
            ChainruleError: if it cannot be written.
        """
        content = BytesIO()
        torch.save(state, content)
        beside = self._beside
        try:
            with self._explained(self.path), beside.open("wb") as file:
                file.write(content.getbuffer())
                file.write(MARK + FORMAT + _checksum(content.getbuffer()))
                file.flush()
                os.fsync(file.fileno())
            with self._explained(self.path):
                beside.replace(self.path)
                _flush_folder(self.path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def read(self, device: torch.device) -> dict[str, Any] | None:
        """Return the state, tensors of other devices than the CPU on this one; None if there is no file.

        Raises:
            StateError: if the file is not what `write` wrote, to the bit; nothing in it is executed.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused("be a file that can be read", f"({error.strerror})") from error
        mark, form, checksum = content[-END : -END + len(MARK)], content[-END + len(MARK) : -8], content[-8:]
        if mark != MARK:
            raise self._refused("end as a checkpoint does", "one cut short, or another kind of file")
        if form != FORMAT:
            raise self._refused(f"have format {FORMAT.decode()}", form.decode(errors="replace"))
        body = memoryview(content)[:-END]
        if checksum != _checksum(body):
            raise self._refused("be as it was written", "another checksum")
        try:
            with warnings.catch_warnings(action="ignore"):  # of torch, on what it refuses
                state = torch.load(
                    BytesIO(body),
                    map_location=lambda storage, place: (
                        storage if place == "cpu" else default_restore_location(storage, str(device))  # type: ignore[no-untyped-call]
                    ),
                    weights_only=True,
                )
        except Exception as error:
            raise self._refused("hold numbers, text and tensors alone", "others, which were not run") from error
        if not isinstance(state, dict) or state.keys() != self._parts:
            raise self._refused("be that of a run", "something else")
        return state

    def _refused(self, rule: str, got: str) -> StateError:
        return StateError(f"fit: checkpoint {self.path} must {rule}, got {got}. Delete it, or pass another path.")

    def _take_away_what_is_left(self) -> None:
        """Delete what was left by runs that were killed as they wrote; younger files may be those of living ones."""
        for part in self.path.parent.glob(f".{glob.escape(self.path.name)}.{'[0-9a-f]' * 32}.part"):
            with suppress(OSError):  # its run has renamed it, or it is somebody else's
                if time.time() - part.stat().st_mtime > ABANDONED:
                    part.unlink()

    @contextmanager
    def _explained(self, path: object) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:  # no home folder; a path with a zero byte
            reason = getattr(error, "strerror", None) or error
            raise ChainruleError(
                f"fit: checkpoint must be a file that can be written, got {path} ({reason}). "
                "Make that possible, or choose another path; what was written before is kept."
            ) from error


def first_not_plain(state: Any, path: str = "") -> tuple[str, Any] | None:
    """Return the path of the first value that a checkpoint cannot hold, and the value, or None."""
    if type(state) in MAPPINGS:
        own = getattr(state, "__dict__", {})  # such as the metadata of torch's state_dict
        items = [(f"{path}[{key!r}]", part) for key, value in state.items() for part in (key, value)]
        items += [(f"{path}.{name}", value) for name, value in own.items()]
    elif type(state) in (list, tuple):
        items = [(f"{path}[{i}]", value) for i, value in enumerate(state)]
    else:
        return None if type(state) in PLAIN else (path, state)
    return next((found for inner, value in items if (found := first_not_plain(value, inner)) is not None), None)


def _checksum(content: memoryview) -> bytes:
    return b"%08x" % zlib.crc32(content)


def _flush_folder(folder: Path) -> None:
    """Flush a renamed entry to the disk, on systems that can."""
    with suppress(OSError, AttributeError):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
