"""What every command needs around it: a working folder, and one for temporary files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from chainrule.errors import ChainruleError, causes


def lack() -> str | None:
    """Return what is missing, on one line with its remedy, or None."""
    try:
        Path.cwd()
    except OSError:
        return "the working folder must exist, got one that was removed. Change to a folder that exists."
    try:
        tempfile.gettempdir()
    except OSError:
        return "temporary files must have a folder that can be written, got none. Set TMPDIR to a writable folder."
    return None


def expect_surroundings(error: Exception | None = None) -> None:
    """Raise ChainruleError if something is missing and an error, if one is given, may come from that."""
    of_a_folder = [each for each in causes(error) if isinstance(each, FileNotFoundError) and each.filename is None]
    if (of_a_folder or error is None) and (missing := lack()):
        raise ChainruleError(missing) from error
