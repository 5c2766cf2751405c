"""The option ``--set`` of commands that read a file."""

from __future__ import annotations

from typing import Annotated

import typer

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE, a setting in place of the file's; any number.", show_default=False),
]
