"""Sweeps in the workers of executors."""

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import current_process, get_all_start_methods, get_context
from pathlib import Path

import pytest
import torch

import chainrule
from chainrule.losses import mse
from chainrule_lab.sweep.function import OfFunction
from chainrule_lab.sweep.runner import train_apart, workers_of
from chainrule_lab.sweep.store import Store
from tests.plugins.chainrule_lab.sweep.recipes import Watched, X, Y, broken, build

SEARCH = {"lr": [0.1, 0.01, 0.001], "width": [3, 5], "seed": range(4)}


@pytest.fixture
def sweep(tmp_path):
    def call(executor, store="s.db", of=build, search=SEARCH, **arguments):
        given = {"train": (X, Y), "epochs": 3, "batch_size": 5, "dtype": torch.float64, **arguments}
        return chainrule.sweep(of, search, loss=mse(), store=tmp_path / store, executor=executor, **given)

    return call


def expect_same(found, expected):
    assert [row.settings for row in found] == [row.settings for row in expected]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.tensor(one.curves["train_loss"]), torch.tensor(other.curves["train_loss"]))


def test_threads_give_what_this_process_gives(sweep):
    with ThreadPoolExecutor(2) as executor:
        assert workers_of(executor) == 2
        expect_same(sweep(executor, members=3), sweep(None, "here.db"))


def test_the_trials_of_a_structure_are_shared_out_among_the_workers(sweep, tmp_path):
    with ThreadPoolExecutor(4) as executor:
        sweep(executor, callbacks=[Watched(tmp_path / "log")])
    sizes = [int(line.split()[1]) for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(sizes) == [3] * 8


def test_what_is_in_work_when_an_ensemble_fails_is_saved(sweep, tmp_path):
    class Failing(Watched):
        @chainrule.hookimpl
        def chainrule_fit_start(self, run):
            if any(parameter.shape == (5, 2) for parameter in run.network.parameters()):
                time.sleep(0.2)
                raise RuntimeError("no fives")

    words = r"sweep: the trial lr=0.1, width=5, seed=0 cannot be trained: .*no fives"
    search = {"lr": [0.1], "width": [5, 3]}
    with ThreadPoolExecutor(2) as executor, pytest.raises(chainrule.ChainruleError, match=words):
        sweep(executor, search=search, callbacks=[Failing(tmp_path / "log", seconds=0.2)])
    with Store(tmp_path / "s.db") as store:
        assert [(one.trials, one.finished) for one in store.sweeps()] == [(2, 1)]


def test_an_executor_that_was_shut_down_is_told_in_one_line_and_leaves_the_trials_to_another(sweep):
    with ThreadPoolExecutor(1) as executor:
        pass
    words = (
        r"sweep: executor must be open and whole, got .*cannot schedule new futures after shutdown\). Pass a new one"
    )
    with pytest.raises(chainrule.ChainruleError, match=words):
        sweep(executor, search={"lr": [0.1]})
    assert len(sweep(None, search={"lr": [0.1]})) == 1


@contextmanager
def killing(process_id, log):
    """Kill a process once an ensemble is in work."""

    def kill():
        while not Path(log).exists():
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(process_id(), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


@pytest.mark.slow
def test_processes_give_what_this_process_gives(sweep):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        expect_same(sweep(executor, members=3), sweep(None, "here.db"))


def test_an_error_from_another_process_has_a_note_of_where_it_arose():
    fit = {"epochs": 1, "batch_size": 5, "metrics": {"broken": broken}}
    make = pickle.dumps(OfFunction(build, mse(), (X, Y), None, None, fit, {"dtype": torch.float64}))
    (error,) = train_apart(make, [{"lr": 0.1, "seed": 0}])
    assert 'raise KeyError("broken")' in error.__notes__[0]


@pytest.mark.slow
def test_a_process_that_dies_is_told_in_one_line_and_the_sweep_goes_on(sweep, tmp_path):
    log, slowly = tmp_path / "log", {"callbacks": [Watched(tmp_path / "log", 0.2)], "members": 2}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        first = lambda: int(log.read_text().split()[0])  # noqa: E731
        with (
            killing(first, log),
            pytest.raises(chainrule.ChainruleError, match="a worker died before its ensemble was done"),
        ):
            sweep(executor, **slowly)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        expect_same(sweep(executor, **slowly), sweep(None, "here.db"))


def test_a_worker_whose_import_of_the_script_reaches_the_sweep_is_told_of_the_guard(sweep, monkeypatch):
    sweep(None, search={"lr": [0.1]})
    monkeypatch.setattr(current_process(), "_inheriting", True, raising=False)
    sweep(None, search={"lr": [0.1]})  # trains nothing
    with pytest.raises(chainrule.ChainruleError, match=r'under a guard, .* Write if __name__ == "__main__": above'):
        sweep(None)


SCRIPT = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import chainrule
from chainrule.losses import mse
from tests.plugins.chainrule_lab.sweep.recipes import X, Y, build

executor = ProcessPoolExecutor(1, mp_context=get_context({method!r}))
data = (X.float(), Y.float())
chainrule.sweep(build, {{"lr": [0.1]}}, loss=mse(), train=data, epochs=1, executor=executor)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", [method for method in get_all_start_methods() if method != "fork"])
def test_a_script_without_a_guard_ends_and_both_processes_name_it(tmp_path, method):
    (script := tmp_path / "script.py").write_text(SCRIPT.format(method=method))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    given = {"cwd": tmp_path, "env": environment, "timeout": 120, "check": False, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, script], **given)
    of_the_worker, of_the_script = [line for line in done.stderr.splitlines() if "ChainruleError: " in line]
    assert 'Write if __name__ == "__main__": above' in of_the_worker
    assert 'die at their start lacks if __name__ == "__main__": above' in of_the_script


@pytest.mark.slow
def test_dask_loses_nothing_and_repeats_nothing_when_a_worker_is_killed(sweep, tmp_path):
    distributed = pytest.importorskip("distributed")
    log = tmp_path / "log"
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        executor = client.get_executor()
        assert workers_of(executor) == 2
        with killing(lambda: int(log.read_text().split()[0]), log):
            found = sweep(executor, callbacks=[Watched(log, 0.2)], members=2)
        started = log.read_text().splitlines()
        again = sweep(executor, callbacks=[Watched(log, 0.2)], members=2)
    expect_same(found, sweep(None, "here.db"))
    assert len({line.split()[0] for line in started}) == 3  # two workers, and the one in place of the killed one
    assert len(started) == 12 + 1  # the ensemble of the killed one began anew
    assert log.read_text().splitlines() == started
    assert len(again) == 24
