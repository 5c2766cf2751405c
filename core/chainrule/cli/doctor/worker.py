"""The process in which the doctor loads things, so that whatever they do ends nothing but this process."""

from __future__ import annotations

import faulthandler
import importlib
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import dropwhile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from chainrule.cli.command_group import as_command
from chainrule.errors import ChainruleError, one_line
from chainrule.registry.catalogue import Catalogue
from chainrule.registry.component import Component
from chainrule.registry.kinds import COMMANDS, HOOKS

_METHODS = {
    "layers": ("forward", "backward", "named_children", "own_parameters"),
    "activations": ("forward", "backward", "named_children", "own_parameters"),
    "losses": ("__call__", "backward", "terms", "mean", "over_members"),
    "initializers": ("__call__",),
    "optimizers": ("init", "scalars", "update", "apply", "attach"),
    "schedules": ("__call__",),
    "tasks": ("splits", "network", "loss"),
}
"""By kind, what a class of that kind must define; a factory may return anything that does."""


@dataclass
class Outcome:
    """How loading something went: the problem on one line with its traceback, or what a hook contributed."""

    problem: str = ""
    traceback: str = ""
    contributed: list[Component] = field(default_factory=list)


def work(connection: Connection, things: Sequence[Component | str], limits: Sequence[float], log: Path) -> None:
    """Load one thing after the other, components and modules by name, and send the `Outcome` of each.

    What is printed goes to the log, and so does the traceback of a crash, or of an import that takes longer than its
    limit in seconds.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.enable(file=descriptor)
    catalogue = Catalogue(contributed=())
    process = os.getpid()
    status = 1
    try:
        for thing, limit in zip(things, limits, strict=True):
            os.ftruncate(descriptor, 0)
            faulthandler.dump_traceback_later(limit, exit=True, file=descriptor)
            outcome = _loaded(catalogue, thing)
            if os.getpid() != process:  # the import forked, and this copy must not answer too
                break
            faulthandler.cancel_dump_traceback_later()
            connection.send(outcome)
        status = 0
    finally:
        os._exit(status)  # at once, whatever threads run and whatever the plugins leave to be done at exit


def _loaded(catalogue: Catalogue, thing: Component | str) -> Outcome:
    try:
        if isinstance(thing, str):
            importlib.import_module(thing)
        elif thing.kind == HOOKS:
            known = len(catalogue.problems)
            contributed = catalogue.contributed([thing])
            for problem in catalogue.problems[known:]:
                raise problem
            return Outcome(contributed=contributed)
        elif thing.kind == COMMANDS:
            as_command(thing.name, catalogue.load(thing))
        else:
            _check_methods(thing, catalogue.load(thing))
    except BaseException as error:  # noqa: BLE001  # this process is there to catch whatever comes
        message = str(error) if isinstance(error, ChainruleError) else one_line(error)
        return Outcome(problem=" ".join(message.split()), traceback=_traceback(error.__cause__ or error))
    return Outcome()


def _check_methods(component: Component, loaded: Any) -> None:
    if not isinstance(loaded, type):
        return
    defined: dict[str, Any] = {}
    for cls in loaded.__mro__:
        defined |= vars(cls) | defined
    if component.kind == "callbacks" and not any(hasattr(value, "chainrule_impl") for value in defined.values()):
        raise _misfit(component, "it must have a method marked with @chainrule.hookimpl, got none. Mark one.")
    abstract = getattr(loaded, "__abstractmethods__", ())
    wanted = dict.fromkeys([*_METHODS.get(component.kind, ()), *sorted(abstract)])
    missing = [name for name in wanted if name not in defined or name in abstract]
    if missing:
        raise _misfit(
            component,
            f"it must define {', '.join(wanted)}, got a class without {', '.join(missing)}. "
            "Inherit from the parent class of its kind and define the rest.",
        )


def _misfit(component: Component, text: str) -> ChainruleError:
    return ChainruleError(f"{component.key} ({component.entry_point}) of {component.distribution}: {text}")


def _traceback(error: BaseException) -> str:
    """Return a traceback that begins where the plugin's own code does."""
    if isinstance(error, ChainruleError):
        return ""
    described = traceback.TracebackException.from_exception(error)
    ours = (str(Path(__file__).parents[2]), str(Path(importlib.__file__).parent), "<frozen importlib")
    frames = dropwhile(lambda frame: frame.filename.startswith(ours), described.stack)
    described.stack = traceback.StackSummary.from_list(list(frames))
    return "".join(described.format()).rstrip()
