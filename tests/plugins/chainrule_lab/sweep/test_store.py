import math
import os
import sqlite3
import subprocess
import sys
from functools import partial

import pytest

from chainrule import ChainruleError
from chainrule_lab.sweep import store
from chainrule_lab.sweep.record import Record
from chainrule_lab.sweep.store import VERSION, Store

KEYS = [f"key{i}" for i in range(4)]


def record(key, value=1.0):
    return Record(key, 3, {"train_loss": [0.1, value], "test_loss": [2.0]}, 0.5, {"chainrule": "1"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sweep.db"


def test_a_result_comes_back_to_the_bit(path):
    with Store(path) as store:
        store.save([record("key0", 0.1 + 0.2)])
    with Store(path) as store:
        assert store.results(KEYS) == {"key0": record("key0", 0.1 + 0.2)}
        assert store.missing(KEYS) == KEYS[1:]


def test_what_is_not_finite_is_kept_and_recorded_as_diverged(path):
    with Store(path) as store:
        store.save([record("key0", math.nan), record("key1", math.inf), record("key2")])
        found = store.results(KEYS)
    assert math.isnan(found["key0"].curves["train_loss"][1])
    assert found["key1"].curves["train_loss"][1] == math.inf
    assert [one.diverged for one in found.values()] == [True, True, False]


def test_there_is_no_store_of_too_long_a_name(tmp_path):
    with pytest.raises(ChainruleError, match="no such store"):
        Store(tmp_path / ("a" * 300), create=False)


def test_a_seed_has_any_size(path):
    big = Record("key0", 2**70, {"train_loss": [1.0]}, 0.5, {})
    with Store(path) as store:
        store.save([big])
        assert store.results(KEYS) == {"key0": big}


class Contended(sqlite3.Connection):
    """A connection that another one, which opens the same new store, keeps from switching to a log at first."""

    refusals = 2

    def execute(self, query, *arguments):
        if query == "PRAGMA journal_mode = WAL" and self.refusals:
            self.refusals -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return super().execute(query, *arguments)


def test_a_new_store_may_be_opened_by_several_at_once(path, monkeypatch):
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Contended))
    with Store(path) as store:
        assert store._database.refusals == 0
        assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_of_two_results_of_one_key_the_first_stays(path):
    with Store(path) as store:
        store.save([record("key0", 1.0)])
        store.save([record("key0", 2.0), record("key1")])
        assert store.results(KEYS)["key0"].curves["train_loss"][1] == 1.0
        assert "key1" in store.results(KEYS)


def test_a_key_is_claimed_by_one_of_two(path):
    with Store(path) as first, Store(path) as second:
        assert first.claim(KEYS[:2]) == set(KEYS[:2])
        assert second.claim(KEYS) == set(KEYS[2:])
        first.save([record("key0")])
        assert first.claim(KEYS) == second.claim(KEYS) == set()


def test_claims_end_with_the_store(path):
    with Store(path) as second:
        with Store(path) as first:
            first.claim(KEYS)
        assert second.claim(KEYS) == set(KEYS)


def test_claims_of_a_killed_process_count_for_nothing(path):
    code = "import os, sys; from chainrule_lab.sweep.store import Store; Store(sys.argv[1]).claim(['key0', 'key1'])"
    subprocess.run([sys.executable, "-c", f"{code}; os.kill(os.getpid(), 9)", path], check=False)
    with Store(path) as store:
        assert store.claim(KEYS) == set(KEYS)


@pytest.mark.parametrize("since", [1000, -1000])
def test_claims_of_another_machine_end_when_it_is_not_seen_now(path, since):
    with Store(path) as store, Store(path) as other:
        other.claim(KEYS)
        edit(path, "UPDATE owners SET machine = 'elsewhere'")
        assert store.claim(KEYS) == set()
        edit(path, f"UPDATE owners SET seen = seen - {since} WHERE machine = 'elsewhere'")  # noqa: S608
        assert store.claim(KEYS) == set(KEYS)


def test_a_sweep_is_registered_once(path):
    trials = [(key, {"lr": 0.1, "seed": i}) for i, key in enumerate(KEYS)]
    with Store(path) as store:
        identity = store.register("rates", trials)
        assert store.register("rates", trials) == identity
        store.save([record("key0", math.nan), record("key1")])
        store.claim(KEYS)
        (sweep,) = store.sweeps()
        assert (sweep.name, sweep.trials, sweep.finished, sweep.diverged, sweep.claimed) == ("rates", 4, 2, 1, 2)
        assert store.trials(identity) == trials


def edit(path, statement):
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


def refused(path, words):
    with pytest.raises(ChainruleError, match=words) as caught, Store(path) as store:
        store.results(KEYS)
    assert "\n" not in str(caught.value)


def test_a_newer_version_is_refused(path):
    Store(path).close()
    edit(path, f"PRAGMA user_version = {VERSION + 1}")
    refused(path, f"sweep.db must have version {VERSION} of the store, got {VERSION + 1}. Install")


def test_another_database_is_refused_and_left_alone(path):
    edit(path, "CREATE TABLE others (a)")
    before = path.read_bytes()
    refused(path, "sweep.db must be a sweep's store, got another database")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_text("lr,loss\n" * 200)
    refused(path, "sweep.db must be a sweep's store, got file is not a database")
    assert path.read_text() == "lr,loss\n" * 200


def test_a_flipped_bit_in_a_result_is_found(path):
    with Store(path) as store:
        store.save([record("key0", 1234.5)])
    content = bytearray(path.read_bytes())
    content[content.index(record_bytes(1234.5)) + 3] ^= 1
    path.write_bytes(content)
    refused(path, "sweep.db must be a sweep's store, got a damaged result key0")


@pytest.mark.parametrize(
    ("statement", "got"),
    [
        ("UPDATE results SET curves = 'text'", "a damaged result key0"),
        ("ALTER TABLE results RENAME TO others", "no such table: results"),
    ],
)
def test_a_store_that_something_else_has_changed_is_refused(path, statement, got):
    with Store(path) as store:
        store.save([record("key0")])
    edit(path, statement)
    refused(path, f"sweep.db must be a sweep's store, got {got}. Restore a copy of it")


def test_a_store_that_another_process_keeps_locked_is_refused_after_a_while(path, monkeypatch):
    Store(path).close()
    monkeypatch.setattr(store, "PATIENCE", 0.01)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused(path, "sweep.db must not stay locked by another process, got that for 0 s. End that process")
    other.close()


def record_bytes(value):
    import struct

    return struct.pack("<d", value)


def test_a_store_cut_short_is_refused(path):
    with Store(path) as store:
        store.save([record(f"key{i}") for i in range(500)])
    os.truncate(path, path.stat().st_size // 2)
    refused(path, "sweep.db must be a sweep's store, got ")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    refused(tmp_path / "nowhere" / "sweep.db", "sweep.db must be a file that can be read and written")


def test_a_store_that_is_to_be_there_is_not_made(path):
    with pytest.raises(ChainruleError, match="no such store"):
        Store(path, create=False)
    assert not path.exists()
