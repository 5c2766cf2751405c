"""What the commands print, whatever the terminal or the file at the other end can show."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Any

import typer


def print_json(record: Any) -> None:
    """Print a record as JSON, in ASCII alone, which every encoding has."""
    typer.echo(json.dumps(record, indent=2))


def stdout_kept_for(as_json: bool) -> AbstractContextManager[Any]:
    """Send what plugins print to stderr where JSON is to stand alone on stdout."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


def escape_what_cannot_be_encoded() -> None:
    """Let formulas be printed where the encoding lacks their symbols, as in a pipe on Windows."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
