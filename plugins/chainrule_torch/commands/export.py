"""``chainrule export``: a rule as one file that imports torch alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule import ChainruleError
from chainrule.cli.completion import complete_name
from chainrule.cli.output import echo, stdout_kept_for
from chainrule.cli.paths import expanded, write_whole
from chainrule.registry.source_files import is_file


def export(
    name: Annotated[
        str,
        typer.Argument(
            help="An optimizer: NAME, FILE.py:Class or package.module.Class.",
            autocompletion=complete_name,
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="File to write; without it the text is printed.")] = None,
    inner: Annotated[
        str | None, typer.Option(help="The rule inside a wrapper, by default that of its first example.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
) -> None:
    """Write an optimizer as one file of Python that needs torch alone, for any project to take in.

    For parameters in float32 and float64, the class takes the same steps as chainrule_torch.optimizer, to the bit.
    Those of 16 bits it steps in 16 bits, where chainrule_torch.optimizer computes in float32.

    Example: chainrule export lion --out lion.py
    """
    path = None if out is None else expanded("export", out)
    if path is not None and is_file(path) and not force:
        raise ChainruleError(f"export: {path} must be a new file, got one that exists. Add --force to overwrite it.")
    from chainrule_torch.export.checked import checked_text
    from chainrule_torch.export.chosen import chosen

    with stdout_kept_for(True):
        choice = chosen(name, inner)
        text = checked_text(choice, f"chainrule export {name}" + (f" --inner {inner}" if inner else ""))
    if path is None:
        echo(text.rstrip("\n"))
        return
    try:
        write_whole({path: text})
    except OSError as error:
        raise ChainruleError(
            f"export: {path} must be a file that can be written, got {error.strerror or error}. "
            "Choose another with --out."
        ) from error
    echo(f"Wrote {choice.title} to {path}.")
