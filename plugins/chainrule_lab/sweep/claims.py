"""Claims: which process computes which trials, so that no two compute one, and none stays claimed by a dead one."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

LEASE = 120.0
"""Seconds after which a process of another machine that has not been seen counts as dead."""

BEAT = 10.0
"""Seconds between two signs of life."""


class Claims:
    """The claims of one process, which gives signs of life while it has any.

    A process of this machine is dead when the system has it no more, any other when it was not seen for a while.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, patience: float) -> None:
        self._path, self._database, self._patience = path, database, patience
        self._owner = uuid.uuid4().hex
        self._ended = threading.Event()
        self._beat: threading.Thread | None = None

    def add(self, keys: Sequence[str]) -> set[str]:
        """Claim the keys that no other living process has, and return them; within a transaction."""
        self.forget_dead()
        row = (self._owner, _machine(), os.getpid(), _since(os.getpid()), time.time())
        self._database.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?, ?)", row)
        claimed = {
            key
            for key in keys
            if self._database.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (key, self._owner)).rowcount
        }
        if self._beat is None:
            self._beat = threading.Thread(target=self._give_signs, name="sweep store", daemon=True)
            self._beat.start()
        return claimed

    def forget_dead(self) -> None:
        """Delete the claims of processes that are dead; within a transaction."""
        now = time.time()
        for owner, machine, process, since, seen in self._database.execute("SELECT * FROM owners").fetchall():
            if not _lives(machine, process, since, now - seen):
                self._forget(owner)

    def close(self) -> None:
        """Give up all claims."""
        if self._beat is None:
            return
        self._ended.set()
        self._beat.join()
        with suppress(sqlite3.Error):  # the process ends anyway, after which its claims count for nothing
            self._forget(self._owner)

    def _forget(self, owner: str) -> None:
        self._database.execute("DELETE FROM claims WHERE owner = ?", (owner,))
        self._database.execute("DELETE FROM owners WHERE id = ?", (owner,))

    def _give_signs(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=self._patience, isolation_level=None)) as database:
            while not self._ended.wait(BEAT):
                with suppress(sqlite3.Error):  # another sign follows, or the process meets the error itself
                    database.execute("UPDATE owners SET seen = ? WHERE id = ?", (time.time(), self._owner))


def _lives(machine: str, process: int, since: str, unseen: float) -> bool:
    if os.name != "posix" or machine != _machine():
        return abs(unseen) < LEASE  # where a clock was set back, it was seen in the future
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        pass
    return since == _since(process)


@cache
def _machine() -> str:
    """Return what tells this machine, since it was started, from others, and a container from its host."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def _since(process: int) -> str:
    """Return when a process was started, which tells it from an earlier one with its number; "" where unknown."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]
