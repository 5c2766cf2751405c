"""`console`: rich's console for terminals of any width."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LEAST_WIDTH = 20
"""The least number of columns; in narrower ones, as where COLUMNS is 0, rich prints nothing."""


def console(*, stderr: bool = False) -> Console:
    """Return rich's console for stdout or stderr, at least 20 columns wide.

    Its attributes is_terminal and is_jupyter say whether it writes to a terminal or in a notebook.
    """
    from rich.console import Console

    made = Console(stderr=stderr)
    if made.width < LEAST_WIDTH:
        made.width = terminal_width()
    return made


def terminal_width() -> int:
    """Return COLUMNS, or the terminal's number of columns where it is no positive number, or 80; at least 20."""
    return max(shutil.get_terminal_size().columns, LEAST_WIDTH)
