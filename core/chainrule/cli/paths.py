"""Paths given to commands, and files written whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from chainrule.errors import ChainruleError


def expanded(owner: str, path: Path) -> Path:
    """Return a path with ``~`` expanded, which shells leave alone in ``--out=~/here``.

    Raises:
        ChainruleError: if it begins with the home folder of nobody; the owner begins the message.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ChainruleError(
            f"{owner}: a path with ~ must begin with a home folder that exists, got {path}. Write it out."
        ) from error


def write_whole(texts: Mapping[Path, str]) -> None:
    """Write files by temporary names beside them and rename these only once all are written; links stay links.

    Raises:
        OSError: if one of them cannot be written, or exists and is no file.
    """
    written: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            target = _target(path)
            if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
                raise OSError(errno.EACCES, f"no writable file at {path}")
            temporary = target.with_name(f".{target.name}.{os.getpid()}")
            written[temporary] = target
            temporary.write_text(text, encoding="utf-8", newline="\n")
        for temporary, target in written.items():
            temporary.replace(target)
    finally:
        for temporary in written:
            temporary.unlink(missing_ok=True)


def _target(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
