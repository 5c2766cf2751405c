"""The store: one SQLite file with a row for each trial that was trained, and the sweeps that asked for it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from chainrule import ChainruleError
from chainrule.arguments import shown
from chainrule.cli.paths import expanded
from chainrule.registry.source_files import is_file
from chainrule_lab.sweep.claims import Claims
from chainrule_lab.sweep.record import Record, packed, unpacked
from chainrule_lab.sweep.space import Settings

APPLICATION = 0x63685377
"""What marks a SQLite file as a store, in its header."""

VERSION = 1
"""The version of the tables."""

PATIENCE = 60.0
"""Seconds for which a transaction waits for those of other processes."""

WAIT = 0.01
"""Seconds until the next try of what SQLite does not wait for."""

AT_ONCE = 500
"""The most keys in one query; SQLite has a limit."""

TABLES = """
CREATE TABLE results (
    key TEXT PRIMARY KEY, seed INTEGER NOT NULL, diverged INTEGER NOT NULL, seconds REAL NOT NULL,
    finished REAL NOT NULL, versions TEXT NOT NULL, curves BLOB NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE sweeps (id TEXT PRIMARY KEY, name TEXT NOT NULL, started REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE trials (
    sweep TEXT NOT NULL REFERENCES sweeps, number INTEGER NOT NULL, key TEXT NOT NULL, settings TEXT NOT NULL,
    PRIMARY KEY (sweep, number)
) WITHOUT ROWID;
CREATE TABLE owners (
    id TEXT PRIMARY KEY, machine TEXT NOT NULL, process INTEGER NOT NULL, since TEXT NOT NULL, seen REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE claims (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
"""


def located(path: str | Path) -> Path:
    """Return the path of a store, wherever the working folder is later.

    Raises:
        ChainruleError: if it is none.
    """
    if not isinstance(path, str | Path):
        raise ChainruleError(f'sweep: store must be text or a Path, got {shown(path)}. Pass "sweep.db".')
    return expanded("sweep", Path(path)).absolute()


def identity_of(trials: Sequence[tuple[str, Settings]]) -> str:
    """Return the id of the sweep of these trials, each its key and settings."""
    return hashlib.sha256(json.dumps(trials).encode()).hexdigest()[:16]


class Progress(NamedTuple):
    """How far a sweep is: its trials in all, and those that are finished, diverged, and claimed by a process."""

    id: str
    name: str
    started: float
    trials: int
    finished: int
    diverged: int
    claimed: int


class Store:
    """The results of sweeps in one SQLite file, which several processes may use at once.

    A result is found by its key, which follows from all that it depends on, whichever sweep asked for it. Results are
    written in one transaction for each ensemble; a process claims the keys that it computes, so that no other does too.

    Args:
        path: the file; it is made where there is none.
        create: whether to make it.

    Raises:
        ChainruleError: if the file is damaged, no store, of a newer version, or cannot be read and written.
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self.path = located(path)
        if not create and not is_file(self.path):
            raise ChainruleError(f"sweep: no such store: {path}.")
        with self._explained():
            self._database = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            with self._explained():
                self._open()
        except BaseException:
            self._database.close()
            raise
        self.claims = Claims(self.path, self._database, PATIENCE)

    def _open(self) -> None:
        with self._transaction():
            if not self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._database.execute(f"PRAGMA application_id = {APPLICATION}")
                self._database.execute(f"PRAGMA user_version = {VERSION}")
                for statement in TABLES.split(";")[:-1]:
                    self._database.execute(statement)
        application, version = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if application != APPLICATION:
            raise ChainruleError(
                f"sweep: {self.path} must be a sweep's store, got another database. Name another file."
            )
        if version != VERSION:
            raise ChainruleError(
                f"sweep: {self.path} must have version {VERSION} of the store, got {version}. "
                "Install the chainrule that wrote it, or name another file."
            )
        if (found := self._database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        self._write_ahead()
        self._database.execute("PRAGMA synchronous = NORMAL")

    def _write_ahead(self) -> None:
        """Have writers append to a log, so that readers need not wait; SQLite itself waits for nobody here."""
        until = time.monotonic() + PATIENCE
        while self._database.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(WAIT)

    def register(self, name: str, trials: Sequence[tuple[str, Settings]]) -> str:
        """Enter a sweep of these trials, each its key and settings, and return its id; once, however often called."""
        identity = identity_of(trials)
        with self._explained(), self._transaction():
            entered = self._database.execute(
                "INSERT OR IGNORE INTO sweeps VALUES (?, ?, ?)", (identity, name, time.time())
            ).rowcount
            if entered:
                rows = [(identity, i, key, json.dumps(settings)) for i, (key, settings) in enumerate(trials)]
                self._database.executemany("INSERT INTO trials VALUES (?, ?, ?, ?)", rows)
        return identity

    def save(self, records: Iterable[Record]) -> None:
        """Write results, and give up the claims on them, in one transaction; of two of one key, the first stays."""
        rows = [packed(record, time.time()) for record in records]
        with self._explained(), self._transaction():
            self._database.executemany("INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._database.executemany("DELETE FROM claims WHERE key = ?", [row[:1] for row in rows])

    def claim(self, keys: Collection[str]) -> set[str]:
        """Claim those of these keys that have no result and no claim by a living process, and return them."""
        with self._explained(), self._transaction():
            present = self._present(keys)
            return self.claims.add([key for key in keys if key not in present])

    def missing(self, keys: Collection[str]) -> list[str]:
        """Return those of these keys that have no result, in their order."""
        with self._explained():
            present = self._present(keys)
        return [key for key in keys if key not in present]

    def results(self, keys: Collection[str]) -> dict[str, Record]:
        """Return the results of those of these keys that have one.

        Raises:
            ChainruleError: if one is damaged.
        """
        with self._explained():
            rows = self._rows("SELECT * FROM results WHERE key IN", keys)
            return {row[0]: unpacked(row) for row in rows}

    def sweeps(self) -> list[Progress]:
        """Return how far every sweep is, the oldest first."""
        query = """
            SELECT sweeps.id, name, started, count(*), count(results.key), coalesce(sum(diverged), 0),
                   count(claims.key)
            FROM sweeps JOIN trials ON sweep = sweeps.id LEFT JOIN results USING (key) LEFT JOIN claims USING (key)
            GROUP BY sweeps.id ORDER BY started, sweeps.id
        """
        with self._explained(), self._transaction():
            self.claims.forget_dead()
            return [Progress(*row) for row in self._database.execute(query)]

    def trials(self, sweep: str) -> list[tuple[str, Settings]]:
        """Return the keys and settings of a sweep's trials, in their order."""
        with self._explained():
            rows = self._database.execute("SELECT key, settings FROM trials WHERE sweep = ? ORDER BY number", (sweep,))
            return [(key, json.loads(settings)) for key, settings in rows]

    def close(self) -> None:
        """Give up all claims, and close the file."""
        try:
            self.claims.close()
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _present(self, keys: Collection[str]) -> set[str]:
        return {key for (key,) in self._rows("SELECT key FROM results WHERE key IN", keys)}

    def _rows(self, query: str, keys: Collection[str]) -> list[tuple[Any, ...]]:
        ordered, found = list(keys), []
        for start in range(0, len(ordered), AT_ONCE):
            some = ordered[start : start + AT_ONCE]
            found += self._database.execute(f"{query} ({','.join('?' * len(some))})", some).fetchall()
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise ChainruleError in place of SQLite's errors."""
        try:
            yield
        except sqlite3.OperationalError as error:
            kind = error.sqlite_errorcode & 0xFF  # without what SQLite adds to tell those of a kind apart
            if kind == sqlite3.SQLITE_BUSY:
                raise ChainruleError(
                    f"sweep: {self.path} must not stay locked by another process, got that for {PATIENCE:.0f} s. "
                    "End that process, or name another file."
                ) from error
            if kind == sqlite3.SQLITE_ERROR:  # of a table or column that is not there
                raise self._no_store(error) from error
            raise ChainruleError(
                f"sweep: {self.path} must be a file that can be read and written, got {error}. "
                "Make that possible, or name another."
            ) from error
        except (sqlite3.Error, ValueError) as error:
            raise self._no_store(error) from error

    def _no_store(self, error: Exception) -> ChainruleError:
        return ChainruleError(
            f"sweep: {self.path} must be a sweep's store, got {error}. Restore a copy of it, or name another file."
        )
