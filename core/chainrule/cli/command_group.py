"""The group of commands: one-line errors, and plugins' commands that are imported only when called."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from chainrule import registry
from chainrule.component import COMMANDS, Component
from chainrule.errors import BrokenComponentError, ChainruleError, one_line
from chainrule.source import summary


class PluginCommand(TyperCommand):
    """What stands for a plugin's command in ``--help`` until the command itself is called."""

    def __init__(self, name: str, component: Component, *, hidden: bool = False) -> None:
        described = summary(component) or component.entry_point
        package = component.distribution
        super().__init__(name, help=f"{described} ({package})", rich_help_panel=f"Commands of {package}", hidden=hidden)

    def load(self) -> Any:
        """Import the plugin's function and return the command that its annotations describe."""
        return as_command(str(self.name), registry.get(COMMANDS, str(self.name)))


def as_command(name: str, function: Any) -> Any:
    """Return the command that a plugin's function describes by its annotations.

    Raises:
        BrokenComponentError: If it is no plain function, or has an annotation that typer does not know.
    """
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise BrokenComponentError(
            f"{COMMANDS}:{name} must be a plain function with typer's annotations, got {function!r}. "
            "Point its entry point at a function."
        )
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command(name)(function)
    try:
        return typer.main.get_command(app)
    except Exception as error:
        raise BrokenComponentError(
            f"{COMMANDS}:{name} must have annotations that typer knows, got {one_line(error).rstrip('.')}. "
            "Mend them with its author."
        ) from error


class CommandGroup(TyperGroup):
    """The commands of chainrule and of its plugins."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **settings: Any) -> Any:
        """Run a command; a ChainruleError is shown as one line, anything else is a bug and keeps its traceback."""
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            return self._run([argument for argument in arguments if argument != "--traceback"], *rest, **settings)
        except ChainruleError as error:
            if "--traceback" in arguments:
                raise
            typer.echo(f"chainrule: {' '.join(str(error).split())}", err=True)
            sys.exit(1)

    def _run(self, arguments: list[str], *rest: Any, **settings: Any) -> Any:
        try:
            return super().main(arguments, *rest, **settings)
        except PermissionError as error:
            if "--install-completion" not in arguments:
                raise
            raise ChainruleError(
                f"--install-completion: {error.filename} must be writable, got {error.strerror}. "
                "Put what --show-completion prints where your shell reads it."
            ) from error

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, chainrule's own first."""
        self._add_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command of chainrule, or what stands for a plugin's."""
        if cmd_name not in self.commands:
            self._add_plugins()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments call, a plugin's loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, PluginCommand) else command, rest

    def _add_plugins(self) -> None:
        own = {name for name, command in self.commands.items() if not isinstance(command, PluginCommand)}
        for component in registry.components(COMMANDS):
            state = registry.state(component)
            if state in ("ambiguous", "invalid"):
                # Called by its name it says what is wrong; of ambiguous ones the help shows the full names.
                self.commands[component.name] = PluginCommand(component.name, component, hidden=True)
            if state == "ambiguous" or (state == "declared" and component.name in own):
                self.commands[component.full_name] = PluginCommand(component.full_name, component)
            elif state == "declared":
                self.commands[component.name] = PluginCommand(component.name, component)
