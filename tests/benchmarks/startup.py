"""`chainrule list` from start to exit, against importing typer and rich alone."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from rounds import Spread, alternate

COMMANDS = {
    "chainrule list": [str(Path(sys.executable).parent / "chainrule"), "list"],
    "import typer, rich": [sys.executable, "-c", "import typer, rich"],
    "python": [sys.executable, "-c", ""],
}
GOAL = 2.0


def measure(rounds: int) -> dict[str, Any]:
    """Return CPU seconds of each command, and how many times as long as the imports `chainrule list` takes."""
    times = alternate({name: lambda c=command: seconds(c) for name, command in COMMANDS.items()}, 2 * rounds)
    ratios = Spread.of_ratios(times["chainrule list"], times["import typer, rich"])
    return {
        "seconds": {name: vars(Spread.of(values)) for name, values in times.items()},
        "times_as_long": vars(ratios),
        "goal": GOAL,
    }


def seconds(command: list[str]) -> float:
    """Return the CPU time that the command took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
