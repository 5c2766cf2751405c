"""`RunFolder`: what a run leaves in its folder, and what an earlier call left."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chainrule import ChainruleError
from chainrule.arguments import LONGEST
from chainrule.cli.paths import write_whole
from chainrule_lab.atomic import check_folder, write_together
from chainrule_lab.runs.description import RunDescription
from chainrule_lab.runs.parts import NAME
from chainrule_lab.runs.results import versions_of
from chainrule_lab.runs.toml_file import read_toml, to_toml

DESCRIPTION, CHECKPOINT, RESULTS = "run.toml", "run.ckpt", "results.json"
FILES = (DESCRIPTION, CHECKPOINT, RESULTS, "history.csv", "curves.png", "curves.svg", "state.pt")
"""All that a run leaves; the results come last, and so show that it has ended."""


class RunFolder:
    """The folder of a run.

    Raises:
        ChainruleError: if it cannot be written, or holds another run or a part of one.
    """

    def __init__(self, path: Path) -> None:
        check_folder("train", path)
        self.path = path
        self._longer: dict[str, bytes] = {}  # the description of a run with more epochs, until it has had them

    @property
    def checkpoint(self) -> Path:
        """The file from which the run goes on."""
        return self.path / CHECKPOINT

    @property
    def has_run(self) -> bool:
        """Whether something was trained here."""
        return (self.path / DESCRIPTION).exists() and bool(self._left())

    @contextmanager
    def taken_for(self, run: RunDescription) -> Iterator[dict[str, Any] | None]:
        """Keep other processes out and note which run this is; yield its results if it has ended.

        Only its epochs may be more than before; a folder that has results is that of the shorter run until they are
        had.

        Raises:
            ChainruleError: if the folder has another run, with what differs, or another process trains in it.
        """
        with self._explained():
            self.path.mkdir(parents=True, exist_ok=True)
        with self._locked():
            yield self._take(run)

    def _take(self, run: RunDescription) -> dict[str, Any] | None:
        complete = run.complete(self.path)
        file = self.path / DESCRIPTION
        if self.has_run:
            different = differences(complete, read_toml(file))
            more = different.keys() == {"epochs"} and different["epochs"][0] > different["epochs"][1]
            if different and not more:
                told = "; ".join(
                    f"{key} {_told(now)} in place of {_told(then)}" for key, (now, then) in different.items()
                )
                raise ChainruleError(
                    f"train: {self.path} must be of the same run, got another: {told}. Choose another with --output."
                )
            results = self._results()
            if results is not None and (changed := _changed(results, run)):
                raise ChainruleError(
                    f"train: {self.path} must be of the same run, got a change in {', '.join(changed)} since it ended. "
                    "Choose another with --output."
                )
            if not different:
                return results
            if results is not None:
                self._longer = {DESCRIPTION: to_toml("train", complete).encode()}
                return None
        elif strange := self._left():
            raise ChainruleError(
                f"train: {self.path} must be new, or of a run, got {strange[0]} without {DESCRIPTION}. "
                "Choose another with --output."
            )
        with self._explained():
            write_whole({file: to_toml("train", complete)})
        return None

    def finish(self, files: Mapping[str, bytes]) -> None:
        """Write what the run ended with."""
        with self._explained():
            write_together(self.path, {**files, **self._longer})

    def _left(self) -> list[str]:
        """Return the names of what a run left here beside its description."""
        return [name for name in FILES if (self.path / name).exists() and name != DESCRIPTION]

    def _results(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.path / RESULTS).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ChainruleError(
                f"train: {self.path / RESULTS} must be as a run wrote it, got {error}. Delete it, to write it again."
            ) from error
        return found

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder until the end, also that of a process that is killed, where the system has such locks."""
        try:
            import fcntl
        except ImportError:
            yield
            return
        with self._explained():
            descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ChainruleError(
                    f"train: {self.path} must be free, got one in which another process trains. Wait for its end, or "
                    "choose another with --output."
                ) from error
            except OSError:  # no locks on this file system
                pass
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ChainruleError(
                f"train: {self.path} must be a folder with room for files, got {error.strerror or error}. "
                "Choose another with --output."
            ) from error


def differences(now: Mapping[str, Any], then: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the values of two descriptions that differ, by dotted key; None stands for one that is not there."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*now, *then]):
        mine, theirs = now.get(key), then.get(key)
        if (
            isinstance(mine, list)
            and isinstance(theirs, list)
            and any(isinstance(one, Mapping) for one in mine + theirs)
        ):
            mine, theirs = ({str(index): one for index, one in enumerate(several)} for several in (mine, theirs))
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping) and mine.get(NAME) != theirs.get(NAME):
            found[f"{prefix}{key}"] = mine.get(NAME), theirs.get(NAME)  # the arguments of one mean nothing to the other
        elif isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            found |= differences(mine, theirs, f"{prefix}{key}.")
        elif mine != theirs:
            found[f"{prefix}{key}"] = mine, theirs
    return found


def _changed(results: Mapping[str, Any], run: RunDescription) -> list[str]:
    """Return what is other data than that of the results or, of the same versions of packages, other code."""
    now, is_same = run.digests(run.splits()), results.get("versions") == versions_of(run.packages())
    return [
        name for name, then in results.get("digests", {}).items() if now[name] != then and (is_same or name == "data")
    ]


def _told(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
