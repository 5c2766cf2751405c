"""``chainrule gallery``: every activation, schedule and optimizer on one page."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from chainrule import ChainruleError, console
from chainrule.cli.completion import complete_name
from chainrule.cli.output import echo
from chainrule.cli.paths import expanded
from chainrule_lab.extra import lab_required

FILE = "index.html"


def gallery(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="NAME, KIND:NAME or KIND, any number; by default all activations, schedules and optimizers.",
            autocompletion=complete_name,
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("gallery"),
) -> None:
    """Draw every activation, schedule and optimizer, with its formula, on one page.

    Example: chainrule gallery optimizers tanh --out poster
    """
    with lab_required("gallery"):
        from chainrule_lab.atomic import check_folder, write_together
        from chainrule_lab.gallery.entries import chosen
        from chainrule_lab.gallery.page import gallery as made

    components = chosen(names or [])
    folder = expanded("gallery", out)
    check_folder("gallery", folder)
    shown = console(stderr=True)
    with shown.status("", spinner="line") if shown.is_terminal else nullcontext() as status:
        page = made(components, lambda key: None if status is None else status.update(key))
    try:
        write_together(folder, {FILE: page.html().encode()})
    except OSError as error:
        raise ChainruleError(
            f"gallery: {folder} must be a folder with room for a file, got {error.strerror or error}. "
            "Choose another with --out."
        ) from error
    for left in page.left_out:
        echo(f"Left out: {left.name}: {left.reason}", err=True)
    echo(f"Wrote {folder / FILE}.")
