"""The results of the baselines that come with the package, and the file in which outcomes are exported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from chainrule_lab.bench.cells import LoadedTask
from chainrule_lab.bench.protocol import PROTOCOL
from chainrule_lab.bench.results import Outcome, Track, as_plain, from_plain
from chainrule_lab.sweep.trial import versions

Key: TypeAlias = tuple[str, str, Track, int]
"""An outcome's task, contender, track and horizon."""

FILE = Path(__file__).with_name("frozen.json")
"""What ``chainrule bench --quick --export frozen.json`` has written with a protocol of this number."""

DIGITS = 7
"""Those of a number in single precision."""


def frozen(tasks: Sequence[str], path: Path = FILE) -> dict[Key, Outcome]:
    """Return the outcomes of a file on these tasks, unless they are of another protocol or other data."""
    if not path.is_file():
        return {}
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found["protocol"] != PROTOCOL:
        return {}
    same = {task for task in tasks if found["digests"].get(task) == LoadedTask(task).digest}
    outcomes = [from_plain(plain) for plain in found["outcomes"] if plain["task"] in same]
    return {(one.task, one.contender, one.track, one.horizon): one for one in outcomes}


def export(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write outcomes to a file, with all that they are conditional on; +∞ is null."""
    tasks = dict.fromkeys(one.task for one in outcomes)
    head = {
        "protocol": PROTOCOL,
        "versions": versions(),
        "digests": {task: LoadedTask(task).digest for task in tasks},
    }
    lines = [json.dumps(_short(as_plain(one)), separators=(",", ":")) for one in outcomes]
    text = json.dumps(head, indent=1)[:-2] + ',\n "outcomes": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"
    path.write_text(text, encoding="utf-8")


def _short(value: Any) -> Any:
    """Return plain data with numbers to the digits that they have."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _short(one) for key, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, list) else value
