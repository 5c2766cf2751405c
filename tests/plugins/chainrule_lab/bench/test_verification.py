"""Stores as they were written, and with a fifth of their cells changed."""

import math
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from math import inf

import pytest

from chainrule import ChainruleError
from chainrule_lab.bench import cells as cells_module
from chainrule_lab.bench import verification
from chainrule_lab.bench.cells import Cell, Cells, Make
from chainrule_lab.bench.contenders import BASELINES, contender
from chainrule_lab.bench.frozen import FILE, export, frozen
from chainrule_lab.bench.protocol import FINAL_SEEDS, QUICK_TASKS, TUNING_SEEDS
from chainrule_lab.bench.results import Point
from chainrule_lab.bench.verification import verify
from chainrule_lab.sweep.record import packed
from chainrule_lab.sweep.runner import Workers
from chainrule_lab.sweep.store import Store

RATES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)


def run(path):
    """Write a store with tuning and final runs, some of which diverge."""
    points = [Point.of({"lr": lr}, schedule) for lr in RATES for schedule in ("constant", "cosine")]
    runs = [
        Cell("diabetes", name, point, 1, seed) for name in ("adam", "sgd") for point in points for seed in TUNING_SEEDS
    ]
    runs += [Cell("diabetes", "adam", points[2], 1, seed, final=True) for seed in FINAL_SEEDS]
    Cells(Make({name: contender(name) for name in ("adam", "sgd")}), path, Workers()).rows("bench", runs)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return run(tmp_path_factory.mktemp("store") / "results.db")


@pytest.fixture(scope="module")
def other_data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells_module, "DATA_SEED", 1)
        return run(tmp_path_factory.mktemp("other") / "results.db")


def contents(path):
    """The records of a store by key, and the settings of each."""
    with Store(path, create=False) as opened:
        settings = dict(trial for sweep in opened.sweeps() for trial in opened.trials(sweep.id))
        return opened.results(settings), settings


def rewritten(path, folder, records, *, dropped=(), forgotten=()):
    """A copy of a store with other records, without some, and without trace of others."""
    copy = shutil.copy(path, folder / "changed.db")
    with closing(sqlite3.connect(copy)) as database, database:
        rows = [packed(record, 0.0) for record in records]
        database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        database.executemany("DELETE FROM results WHERE key = ?", [(key,) for key in [*dropped, *forgotten]])
        database.executemany("DELETE FROM trials WHERE key = ?", [(key,) for key in forgotten])
    return copy


def better(record):
    return replace(record, curves={name: [0.97 * value for value in curve] for name, curve in record.curves.items()})


def changed(kind, store, other_data, folder, number):
    """A copy of the store with a fifth of its cells changed."""
    records, settings = contents(store)
    keys = sorted(records)[number % 5 :: 5]
    if kind == "a better loss":
        return rewritten(store, folder, [better(records[key]) for key in keys])
    if kind == "results left out":
        return rewritten(store, folder, [], dropped=keys)
    if kind == "cells left out":
        return rewritten(store, folder, [], forgotten=keys)
    if kind == "divergence left out":
        kept = [record for record in records.values() if not record.diverged]
        diverged = [key for key in records if records[key].diverged][: len(keys)]
        assert len(diverged) >= 5
        return rewritten(store, folder, [replace(kept[i], key=key) for i, key in enumerate(diverged)])
    if kind == "another seed":
        by_cell = {repr({**own, "seed": None, "key": None}) + str(own["seed"]): key for key, own in settings.items()}
        others = {}
        for key in keys:
            own = settings[key]
            seed = own["seed"] + 1 if own["seed"] not in (1002, 19) else own["seed"] - 1
            others[key] = by_cell[repr({**own, "seed": None, "key": None}) + str(seed)]
        return rewritten(store, folder, [replace(records[other], key=key) for key, other in others.items()])
    assert kind == "another split"
    theirs, their_settings = contents(other_data)
    by_settings = {repr(own): key for key, own in their_settings.items()}
    return rewritten(store, folder, [replace(theirs[by_settings[repr(settings[key])]], key=key) for key in keys])


KINDS = ("a better loss", "results left out", "cells left out", "divergence left out", "another seed", "another split")


@pytest.mark.slow
def test_a_store_as_it_was_written_has_no_fault(store):
    for seed in range(3):
        found = verify(store, 0.01, seed)
        assert (found.cells, found.repeated, found.faults) == (92, 30, [])


@pytest.mark.slow
def test_of_twenty_stores_with_a_fifth_changed_nineteen_or_more_are_named(store, other_data, tmp_path, capsys):
    named = {}
    for number in range(20):
        kind = KINDS[number % len(KINDS)]
        path = changed(kind, store, other_data, tmp_path, number)
        named.setdefault(kind, []).append(len(verify(path, 0.01, number).faults))
    with capsys.disabled():
        print(f"\ncells named in each store: {named}")
    assert sum(count > 0 for counts in named.values() for count in counts) >= 19


@pytest.mark.parametrize(
    ("claimed", "losses", "expected"),
    [
        (0.9, [0.5, 0.6, 0.8], True),  # by as much as these are apart
        (0.1, [0.5, 0.6, 0.8], False),
        (inf, [0.5, 0.6, 0.8], False),
        (inf, [inf, inf, inf], True),
        (0.1, [inf, inf, inf], False),
        (inf, [0.5, 0.6, inf], True),
        (9.0, [0.5, 0.6, inf], True),
        (0.1, [0.5, 0.6, inf], False),
        (0.1, [inf, 0.5, inf], False),
    ],
)
def test_a_claim_is_one_of_the_runs_that_rounding_alone_tells_apart(claimed, losses, expected):
    assert verification.may_be_a_twin(claimed, losses) == expected


def test_a_better_loss_of_runs_that_diverge_is_a_fault(tmp_path):
    cells = [Cell("noisy_quadratic", "sgd", Point.of({"lr": 10.0}, "constant"), 1, seed) for seed in TUNING_SEEDS]
    Cells(Make({"sgd": contender("sgd")}), tmp_path / "results.db", Workers()).rows("bench", cells)
    assert verify(tmp_path / "results.db", 1.0, 0).faults == []
    records, _ = contents(tmp_path / "results.db")
    forged = [
        replace(one, curves={name: [0.09] * len(curve) for name, curve in one.curves.items()})
        for one in records.values()
    ]
    faults = verify(rewritten(tmp_path / "results.db", tmp_path, forged), 1.0, 0).faults
    assert len(faults) == len(cells)
    assert all("validation loss 0.09, run again validation loss diverged" in fault for fault in faults)


def test_a_store_of_something_else_is_refused_in_one_line(tmp_path):
    with Store(tmp_path / "empty.db"):
        pass
    with pytest.raises(ChainruleError, match=r"^verify: .*empty\.db must have results of a benchmark, got none\."):
        verify(tmp_path / "empty.db", 0.01)
    with pytest.raises(ChainruleError, match=r"^verify: no such store: "):
        verify(tmp_path / "missing.db", 0.01)
    with pytest.raises(ChainruleError, match=r"^verify: share must be a number from 0 to 1, got nan\."):
        verify(tmp_path / "missing.db", math.nan)


def test_the_frozen_baselines_are_those_of_the_quick_benchmark_of_this_protocol():
    assert set(frozen(QUICK_TASKS)) == {(task, name, "B", 1) for task in QUICK_TASKS for name in BASELINES}
    assert frozen(["diabetes"]) == {}


def test_another_protocol_or_other_data_leave_no_frozen_results(monkeypatch):
    monkeypatch.setattr("chainrule_lab.bench.frozen.PROTOCOL", 2)
    assert frozen(QUICK_TASKS) == {}
    monkeypatch.undo()
    monkeypatch.setattr(cells_module, "DATA_SEED", 1)
    assert frozen(QUICK_TASKS) == {}


def test_exported_outcomes_are_read_back(outcome, tmp_path):
    given = [outcome(name, task, diverged=1) for task in QUICK_TASKS for name in ("adam", "sgd")]
    export(tmp_path / "out.json", given)
    found = list(frozen(QUICK_TASKS, tmp_path / "out.json").values())
    assert [one.chosen for one in found] == [one.chosen for one in given]
    assert [one.test[-1] for one in found] == [float("inf")] * 4
    assert found[0].test[:19] == pytest.approx(given[0].test[:19], rel=1e-6)


@pytest.mark.slow
def test_the_frozen_baselines_agree_when_run_again():
    found = verify(None, 0.005, 0)
    assert found.faults == []
    assert found.repeated == verification.LEAST
    assert FILE.stat().st_size < 200_000
