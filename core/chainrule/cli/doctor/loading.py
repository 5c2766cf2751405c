"""Loading every component in another process, and going on in a new one where one crashes or hangs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chainrule.registry.component import Component

NEEDED = ("torch", "chainrule.training")
"""Modules that a process imports first, so that no component is charged with the time they take."""

GETTING_READY = 300.0
"""Seconds for each needed module; importing torch may take long on a busy disk."""


@dataclass(frozen=True)
class Outcome:
    """How loading something went: the problem on one line with its traceback, or what a hook contributed."""

    problem: str = ""
    traceback: str = ""
    contributed: Sequence[dict[str, Any]] = ()


def load_each(components: Sequence[Component], limit: float) -> Iterator[tuple[Component | str, Outcome]]:
    """Yield every component with its outcome; a needed module only if it cannot be imported, as nothing else can then.

    Args:
        components: what to load.
        limit: seconds that one component's import may take.
    """
    rest = list(components)
    while True:
        things: list[Component | str] = [*NEEDED, *rest]
        for thing, outcome in zip(things, _in_one_process(things, limit), strict=False):
            if isinstance(thing, Component):
                rest.remove(thing)
                yield thing, outcome
            elif outcome.problem:
                yield thing, outcome
                return
        if not rest:
            return


def _in_one_process(things: Sequence[Component | str], limit: float) -> list[Outcome]:
    """Return the outcomes as far as one process gets; if that is not to the end, the last one says what ended it."""
    limits = [limit if isinstance(thing, Component) else max(limit, GETTING_READY) for thing in things]
    records = [asdict(thing) if isinstance(thing, Component) else thing for thing in things]
    given = json.dumps({"path": sys.path, "things": list(zip(records, limits, strict=True))})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lines, log = Path(folder) / "lines", Path(folder) / "log"
        with (
            lines.open("wb") as out,
            log.open("ab") as err,
        ):  # files, since a process that a plugin forks keeps pipes open
            command = [sys.executable, "-m", "chainrule.cli.doctor.worker"]
            ended = subprocess.run(command, input=given.encode(), stdout=out, stderr=err, check=False).returncode
        outcomes = [Outcome(**json.loads(line)) for line in lines.read_text(encoding="utf-8").splitlines()]
        if len(outcomes) < len(things):
            printed = log.read_text(encoding="utf-8", errors="replace").rstrip()
            outcomes.append(Outcome(problem=_cause(ended, printed, limits[len(outcomes)]), traceback=printed))
    return outcomes


def _cause(ended: int, printed: str, limit: float) -> str:
    if printed.startswith("Timeout ("):  # as faulthandler begins
        return f"its import did not end within {limit:g} seconds"
    if ended < 0:
        return f"its import ended the process by signal {-ended}"
    return f"its import ended the process with exit status {ended}"
