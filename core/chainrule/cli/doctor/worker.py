"""The process in which the doctor loads things, so that a crash or a hang ends nothing but this process.

Standard input lists what to load, as JSON; standard output gets a line of JSON for each, standard error all else.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import traceback
from dataclasses import asdict
from itertools import dropwhile
from pathlib import Path
from typing import Any

from chainrule.cli.command_group import as_command
from chainrule.errors import ChainruleError, one_line
from chainrule.registry.catalogue import Catalogue
from chainrule.registry.component import Component
from chainrule.registry.kinds import COMMANDS, HOOKS

CORE = Path(__file__).parents[2]


def main() -> None:
    """Load each thing within its limit in seconds; a traceback of what crashes or hangs goes to standard error."""
    given = json.load(sys.stdin)
    sys.path[:] = given["path"]
    lines = os.dup(1)
    os.dup2(2, 1)  # what plugins print must not mix with the lines
    faulthandler.enable()
    catalogue = Catalogue(contributed=())
    process = os.getpid()
    status = 1
    try:
        for thing, limit in given["things"]:
            os.ftruncate(2, 0)
            faulthandler.dump_traceback_later(limit, exit=True)
            outcome = _outcome(catalogue, thing)
            if os.getpid() != process:  # the import forked, and its copy must not answer too
                break
            faulthandler.cancel_dump_traceback_later()
            os.write(lines, f"{json.dumps(outcome)}\n".encode())
        status = 0
    finally:
        os._exit(status)  # at once, whatever threads run and whatever plugins registered for the exit


def _outcome(catalogue: Catalogue, thing: str | dict[str, Any]) -> dict[str, Any]:
    """Load a module by its name or a component by its record; return what is wrong, or what a hook contributed."""
    try:
        contributed = _load(catalogue, thing)
    except BaseException as error:  # noqa: BLE001  # this process exists to catch whatever comes
        message = str(error) if isinstance(error, ChainruleError) else one_line(error)
        return {"problem": " ".join(message.split()), "traceback": _traceback(error.__cause__ or error)}
    return {"contributed": [asdict(component) for component in contributed]}


def _load(catalogue: Catalogue, thing: str | dict[str, Any]) -> list[Component]:
    if isinstance(thing, str):
        importlib.import_module(thing)
        return []
    component = Component(**thing)
    if component.kind == HOOKS:
        known = len(catalogue.problems)
        contributed = catalogue.contributed([component])
        for problem in catalogue.problems[known:]:
            raise problem
        return contributed
    loaded = catalogue.load(component)
    if component.kind == COMMANDS:
        as_command(component.name, loaded)
    return []


def _traceback(error: BaseException) -> str:
    """Return a traceback that begins in the plugin's own code."""
    if isinstance(error, ChainruleError):
        return ""
    described = traceback.TracebackException.from_exception(error)
    ours = (str(CORE), str(Path(importlib.__file__).parent), "<frozen importlib")
    frames = dropwhile(lambda frame: frame.filename.startswith(ours), described.stack)
    described.stack = traceback.StackSummary.from_list(list(frames))
    return "".join(described.format()).rstrip()


if __name__ == "__main__":
    main()
