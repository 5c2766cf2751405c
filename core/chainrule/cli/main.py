"""The command ``chainrule``: its own commands, and those of plugins, imported only when called."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from chainrule.cli.check_command import check
from chainrule.cli.command_group import CommandGroup
from chainrule.cli.completion import join_words_split_at_colons
from chainrule.cli.doctor_command import doctor
from chainrule.cli.list_command import list_components
from chainrule.cli.new_command import new
from chainrule.cli.output import echo, prepare_streams, shorten_warnings
from chainrule.cli.show_command import show
from chainrule.cli.stubs_command import stubs

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
app.command("list")(list_components)
app.command("show")(show)
app.command("check")(check)
app.command("new")(new)
app.command("doctor")(doctor)
app.command("stubs")(stubs)


def _print_version(wanted: bool) -> None:
    if wanted:
        import chainrule

        echo(f"chainrule {chainrule.__version__}")
        raise typer.Exit


@app.callback()
def chainrule_command(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    _traceback: Annotated[
        bool, typer.Option("--traceback", help="Print the traceback of an error; accepted anywhere.")
    ] = False,
) -> None:
    """Deep learning in which every part is a plugin and every gradient is checked.

    Example: chainrule show adam
    """


def main() -> None:
    """Run the command line; exit with 0 on success, 1 on an error, 2 on a usage error."""
    prepare_streams()
    shorten_warnings()
    join_words_split_at_colons(os.environ)
    typer.main.get_command(app)(prog_name="chainrule")
