"""`CommandGroup`: one-line errors, and plugin commands that are imported only when called."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from chainrule import registry
from chainrule.cli.output import echo
from chainrule.cli.surroundings import expect_surroundings
from chainrule.errors import BrokenComponentError, ChainruleError, one_line
from chainrule.registry.component import Component
from chainrule.registry.kinds import COMMANDS
from chainrule.registry.source_files import summary


class PluginCommand(TyperCommand):
    """A placeholder for a plugin's command, which ``--help`` shows and a call replaces."""

    def __init__(self, name: str, component: Component, *, hidden: bool) -> None:
        from rich.markup import escape  # typer parses help as markup, which a docstring is not

        described = escape(f"{summary(component) or component.entry_point} ({component.distribution})")
        panel = f"Commands of {component.distribution}"
        super().__init__(name, help=described, rich_help_panel=panel, hidden=hidden)

    def load(self) -> Any:
        """Import the plugin's function or app and return it as a command."""
        return as_command(str(self.name), registry.get(COMMANDS, str(self.name)))


def as_command(name: str, declared: Any) -> Any:
    """Return a plugin's function, or its app of subcommands, as a command.

    Raises:
        BrokenComponentError: if it is neither, or has an annotation that typer does not support.
    """
    app = typer.Typer()
    if isinstance(declared, typer.Typer):
        app.add_typer(declared, name=name)
    elif inspect.isfunction(declared) and not inspect.iscoroutinefunction(declared):
        app.command(name)(declared)
    else:
        raise BrokenComponentError(
            f"{COMMANDS}:{name} must be a plain function with typer's annotations, or a typer.Typer, got {declared!r}. "
            "Point its entry point at one."
        )
    try:
        return typer.main.get_group(app).commands[name]
    except Exception as error:
        raise BrokenComponentError(
            f"{COMMANDS}:{name} must have annotations that typer knows, got {one_line(error).rstrip('.')}. "
            "Report it to its author."
        ) from error


def expect_values(arguments: Sequence[str]) -> None:
    """Raise ChainruleError for an option's value that is empty, as a shell's unset variable is.

    An empty path would be the working folder.
    """
    for argument, following in pairwise([*arguments, "-"]):
        option, has_value, value = argument.partition("=")
        if option.startswith("--") and not (value if has_value else following):
            raise ChainruleError(f'{option}: a value must not be empty, got "". Write one, or leave {option} out.')


class CommandGroup(TyperGroup):
    """The commands of chainrule and its plugins."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **settings: Any) -> Any:
        """Run a command; a ChainruleError is printed as one line, any other error is a bug and keeps its traceback."""
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            try:
                return self._run([argument for argument in arguments if argument != "--traceback"], *rest, **settings)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:  # the reader has seen enough
            sys.exit(1)
        except ChainruleError as error:
            if "--traceback" in arguments:
                raise
            echo(f"chainrule: {' '.join(str(error).split())}", err=True)
            sys.exit(1)

    def _run(self, arguments: list[str], *rest: Any, **settings: Any) -> Any:
        expect_values(arguments)
        try:
            return super().main(arguments, *rest, **settings)
        except Exception as error:
            expect_surroundings(error)
            if isinstance(error, ModuleNotFoundError) and error.name == "torch":
                raise ChainruleError("chainrule needs torch, which is not installed: pip install torch.") from error
            if isinstance(error, OSError) and error.filename is not None and "--install-completion" in arguments:
                raise ChainruleError(
                    f"--install-completion: {error.filename} must be writable, got {error.strerror}. "
                    "Put the output of --show-completion where your shell reads it."
                ) from error
            raise

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, chainrule's own first."""
        self._add_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command of chainrule, or the placeholder of a plugin's."""
        if cmd_name not in self.commands:
            self._add_plugins()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, loaded if it is a plugin's."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, PluginCommand) else command, rest

    def _add_plugins(self) -> None:
        """Add each plugin's command under its name and its full name; help lists the latter if the name is taken."""
        for component in registry.components(COMMANDS):
            state, name, full_name = registry.state(component), component.name, component.full_name
            found = self.commands.setdefault(name, PluginCommand(name, component, hidden=state != "declared"))
            taken = state == "ambiguous" or (state == "declared" and not isinstance(found, PluginCommand))
            self.commands.setdefault(full_name, PluginCommand(full_name, component, hidden=not taken))
