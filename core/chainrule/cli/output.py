"""Output of the commands, for terminals, pipes and files, whatever their width, colours, encoding and room."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import IO, Any

import typer

from chainrule.errors import ChainruleError
from chainrule.terminal import LEAST_WIDTH, terminal_width

_STANDARD_FORMAT = warnings.formatwarning


def echo(text: str, *, err: bool = False) -> None:
    """Print a text to stdout or stderr, with the codes of `styled` only where they are shown."""
    stream = sys.stderr if err else sys.stdout  # given to typer, which would write UTF-8 to one in ASCII
    typer.echo(text, stream, color=_shows_styles(stream))


def print_json(record: Any) -> None:
    """Print a record as JSON, in ASCII, which every encoding has."""
    echo(json.dumps(record, indent=2))


def styled(text: str, *, colour: str | None = None) -> str:
    """Return a text with the codes for bold, or for a colour, which NO_COLOR leaves out."""
    return typer.style(text, fg=None if os.environ.get("NO_COLOR") else colour, bold=colour is None)


def _shows_styles(stream: IO[str]) -> bool:
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def stdout_kept_for(as_json: bool) -> AbstractContextManager[Any]:
    """Redirect what plugins print to stderr, so that stdout holds JSON only."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


def prepare_streams() -> None:
    """Make stdout and stderr usable whatever they are.

    A closed one becomes the null device, also for child processes. Symbols that an encoding lacks are escaped, as in a
    pipe on Windows. What cannot be written to stdout raises OutputError, once; on stderr it is lost. Where
    COLUMNS is no sensible width, it becomes the terminal's.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _open_null_device(descriptor)
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))  # noqa: SIM115
    sys.stdout, sys.stderr = _guarded(sys.stdout, told=True), _guarded(sys.stderr, told=False)
    given = os.environ.get("COLUMNS")
    if given not in (None, str(terminal_width())) or shutil.get_terminal_size().columns < LEAST_WIDTH:
        os.environ["COLUMNS"] = str(terminal_width())


def shorten_warnings() -> None:
    """Show warnings whose place is in chainrule or a plugin, not in the user's code, on one line without it."""
    warnings.formatwarning = _formatted


def _formatted(message: Any, category: Any, filename: str, *place: Any, **more: Any) -> str:
    loaded = [module for name, module in sys.modules.items() if name.startswith("chainrule")]
    if any(getattr(module, "__file__", None) == filename for module in loaded):
        return f"chainrule: warning: {' '.join(str(message).split())}\n"
    return _STANDARD_FORMAT(message, category, filename, *place, **more)


def _open_null_device(descriptor: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)


def _guarded(stream: Any, *, told: bool) -> Any:
    return io.TextIOWrapper(
        io.BufferedWriter(_GuardedOutput(stream, told=told)),
        stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class OutputError(ChainruleError):
    """Standard output cannot be written to."""


class _GuardedOutput(io.RawIOBase):
    """A stream that fails at most once, so that Python's last flush is silent; if not told, never."""

    def __init__(self, stream: Any, *, told: bool) -> None:
        self.stream = stream  # closed once nothing refers to it
        self.raw = getattr(stream.buffer, "raw", stream.buffer)
        self.told = told
        self.failed = False

    def write(self, data: Any) -> int | None:
        if self.failed:
            return len(data)
        try:
            return self.raw.write(data)  # type: ignore[no-any-return]
        except OSError as error:
            self.failed = True
            if not self.told:
                return len(data)
            if isinstance(error, BrokenPipeError):
                raise
            raise OutputError(
                f"standard output must be writable, got {error.strerror}. Send it elsewhere, or make room."
            ) from error

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.raw.fileno()  # type: ignore[no-any-return]

    def isatty(self) -> bool:
        return self.raw.isatty()  # type: ignore[no-any-return]
