"""Output of the commands, for terminals and files of any encoding."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Any

import typer


def print_json(record: Any) -> None:
    """Print a record as JSON, in ASCII, which every encoding has."""
    typer.echo(json.dumps(record, indent=2))


def stdout_kept_for(as_json: bool) -> AbstractContextManager[Any]:
    """Redirect what plugins print to stderr, so that stdout holds JSON only."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


def escape_what_cannot_be_encoded() -> None:
    """Let stdout and stderr escape symbols that their encoding lacks, as in a pipe on Windows."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
