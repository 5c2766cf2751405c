"""Atomic writes of a folder's files, so that a killed run leaves none of them half-written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from chainrule import ChainruleError


def check_folder(owner: str, folder: Path) -> None:
    """Raise ChainruleError if the folder cannot be created or written to."""
    try:
        whole = folder.resolve()
        existing = next(path for path in (whole, *whole.parents) if path.exists())
    except (OSError, RuntimeError) as error:  # a name that is too long; a link to itself
        reason = getattr(error, "strerror", None) or error
        raise ChainruleError(
            f"{owner}: the output must be a folder, got {folder} ({reason}). Choose another."
        ) from error
    if not existing.is_dir():
        raise ChainruleError(f"{owner}: the output must be a folder, got the file {existing}. Choose another name.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ChainruleError(f"{owner}: the output must be writable, got {existing}. Choose another folder.")


def expect_unread(owner: str, written: Iterable[Path], read: Iterable[Path]) -> None:
    """Raise ChainruleError if a command would write over a file that it reads."""
    inputs = {path.resolve() for path in read}
    for path in written:
        if path.resolve() in inputs:
            raise ChainruleError(
                f"{owner}: the output must not replace what is read, got {path}. Choose another folder with --output."
            )


def write_together(folder: Path, files: Mapping[str, bytes], *, owned: Collection[str] = ()) -> None:
    """Write files into a folder, each complete or not at all.

    They are first written to a temporary folder. Renaming then puts a new folder in place as a whole, and replaces the
    files of an existing folder one by one. Other files in the folder are kept, and so are links, to whose targets the
    files go.

    Args:
        folder: the target, created with its parents if it does not exist.
        files: the contents by name.
        owned: names that an earlier call may have written; those that are not in files are removed.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=_place_to_rename_from(folder)))
    try:
        for name, content in files.items():
            with (temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if folder.exists():
            for name in files:
                _replace(temporary / name, folder / name)
            for name in set(owned) - files.keys():
                (folder / name).unlink(missing_ok=True)
        else:
            temporary.chmod(0o777 & ~_umask())
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(new: Path, target: Path) -> None:
    """Rename a new file to a target; a link's target, which may be on another disk, gets a copy that is renamed."""
    if target.is_symlink():
        target = target.resolve()
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            shutil.copyfile(new, Path(beside) / target.name).replace(target)
    else:
        new.replace(target)


def _place_to_rename_from(folder: Path) -> Path:
    """Return the folder's parent, or the folder itself if it is a mount point or its parent is not writable."""
    is_apart = folder.exists() and (folder.is_mount() or not os.access(folder.parent, os.W_OK | os.X_OK))
    return folder if is_apart else folder.parent


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
