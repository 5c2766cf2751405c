"""Loading components in a subprocess, and in another one after each that crashes, hangs or exits."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chainrule.cli.command_group import as_command
from chainrule.errors import ChainruleError, one_line
from chainrule.registry.catalogue import DISABLE, Catalogue
from chainrule.registry.component import Component, is_valid_name
from chainrule.registry.kinds import COMMANDS, HOOKS
from chainrule.registry.loading import OF_ANOTHER

MODULES = "modules"
NEEDED = [Component(kind=MODULES, name=name, entry_point=name) for name in ("torch", "chainrule.training")]
"""Imported first in each subprocess, so that no component is charged with their time."""

NEEDED_LIMIT = 300.0
"""Seconds for each of these, and for the subprocess to start: importing torch from a busy disk is slow."""


@dataclass(frozen=True)
class Outcome:
    """The result of loading: an error on one line with its traceback, or the records that a hook contributes.

    Attributes:
        problem: the error.
        traceback: of its cause.
        is_of_another: whether another component is at fault, which has a finding of its own.
        contributed: the records.
    """

    problem: str = ""
    traceback: str = ""
    is_of_another: bool = False
    contributed: Sequence[dict[str, Any]] = ()


def load_each(components: Sequence[Component], limit: float) -> Iterator[tuple[Component, Outcome]]:
    """Yield each component, imported within limit seconds, with its outcome, or just a needed module that fails."""
    rest = list(components)
    disabled = [os.environ[DISABLE]] if os.environ.get(DISABLE) else []
    while True:
        for component, outcome in _load_in_subprocess([*NEEDED, *rest], limit, ",".join(disabled)):
            if component.kind != MODULES:
                rest.remove(component)
                yield component, outcome
                if component.kind == HOOKS and outcome.problem and is_valid_name(component.name):
                    disabled.append(component.key)  # or each import that looks up a name would end as the hook did
            elif outcome.problem:
                yield component, outcome
                return
        if not rest:
            return


def _load_in_subprocess(
    components: Sequence[Component], limit: float, disabled: str
) -> list[tuple[Component, Outcome]]:
    """Return the outcomes of all components, or of those up to the one that ended the subprocess."""
    environment = {**os.environ, DISABLE: disabled}
    limits = [limit if component.kind != MODULES else max(limit, NEEDED_LIMIT) for component in components]
    given = json.dumps(list(zip(map(asdict, components), limits, strict=True))).encode()
    path = [entry for entry in sys.path if isinstance(entry, str)]  # Python ignores others, such as a Path
    program = f"import sys; sys.path[:] = {path!r}; from chainrule.cli.doctor import loading; loading.main()"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lines, log = Path(folder) / "lines", Path(folder) / "log"
        with lines.open("wb") as out, log.open("ab") as err:  # a process that an import forks keeps pipes open
            command, timeout = [sys.executable, "-c", program], sum(limits) + NEEDED_LIMIT
            try:
                run = subprocess.run(
                    command, input=given, stdout=out, stderr=err, timeout=timeout, env=environment, check=False
                )
                status: int | None = run.returncode
            except subprocess.TimeoutExpired:  # an import switched faulthandler's timer off
                status = None
        outcomes = [Outcome(**json.loads(line)) for line in lines.read_text(encoding="utf-8").split("\n")[:-1]]
        if len(outcomes) < len(components):
            printed = log.read_text(encoding="utf-8", errors="replace").rstrip()
            outcomes.append(Outcome(_cause(status, printed, limits[len(outcomes)]), printed))
    return list(zip(components, outcomes, strict=False))


def _cause(status: int | None, printed: str, limit: float) -> str:
    if status is None or re.search(r"Timeout \(\d+:\d\d:\d\d[.\d]*\)!", printed):  # printed by faulthandler
        return f"its import did not end within {limit:g} seconds"
    if status < 0:
        return f"its import ended the process by signal {-status}"
    return f"its import ended the process with exit status {status}"


def main() -> None:
    """Load what standard input lists as JSON, and print a line of JSON for each; this runs in the subprocess."""
    lines = os.dup(1)
    os.dup2(2, 1)  # what plugins print must not mix with the lines
    faulthandler.enable(2)
    catalogue, process, status = Catalogue(), os.getpid(), 1
    try:
        for record, limit in json.load(sys.stdin):
            os.ftruncate(2, 0)
            faulthandler.dump_traceback_later(limit, exit=True, file=2)
            outcome = _outcome(catalogue, Component(**record))
            if os.getpid() != process:  # a child that the import forked must not answer too
                break
            faulthandler.cancel_dump_traceback_later()
            os.write(lines, f"{json.dumps(asdict(outcome))}\n".encode())
        status = 0
    finally:
        os._exit(status)  # skips the threads and exit handlers of plugins


def _outcome(catalogue: Catalogue, component: Component) -> Outcome:
    """Load a component as its use does."""
    contributed: list[Component] = []
    try:
        if component.kind == MODULES:
            importlib.import_module(component.name)
        elif component.kind == HOOKS:
            catalogue.problems.clear()
            contributed = catalogue.contributed([component])
            catalogue.import_check_modules()
            for problem in catalogue.problems:
                raise problem
        elif component.kind == COMMANDS:
            as_command(component.name, catalogue.load(component))
        else:
            catalogue.load(component)
    except BaseException as error:  # noqa: BLE001  # whatever an import raises is its outcome
        message = str(error) if isinstance(error, ChainruleError) else one_line(error)
        is_of_another = isinstance(error.__cause__, OF_ANOTHER)
        return Outcome(" ".join(message.split()), _traceback(error.__cause__ or error), is_of_another)
    return Outcome(contributed=[asdict(record) for record in contributed])


def _traceback(error: BaseException) -> str:
    """Return a traceback that begins in the plugin's own code."""
    if isinstance(error, ChainruleError):
        return ""
    folders = (Path(__file__).parents[2], Path(importlib.__file__).parent)
    frames, ours = error.__traceback__, (*(f"{folder}{os.sep}" for folder in folders), "<frozen importlib")
    while frames and frames.tb_frame.f_code.co_filename.startswith(ours):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()
