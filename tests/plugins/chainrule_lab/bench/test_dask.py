"""A benchmark in the workers of a Dask scheduler."""

import json
import logging
import os
import signal
import threading
import time

import pytest

from chainrule_lab.bench.contenders import BASELINES
from chainrule_lab.bench.protocol import FINAL_SEEDS, HORIZONS
from chainrule_lab.commands.bench import bench

pytestmark = pytest.mark.slow


def watcher(log):
    """A plugin of workers, replacements among them, that logs the cells of each ensemble at its start and its end."""
    distributed = pytest.importorskip("distributed")

    class Watcher(distributed.WorkerPlugin):
        def setup(self, worker):
            from chainrule_lab.sweep import runner

            train = runner.train_each

            def watched(trials, seeds, *rest):
                cells = [
                    [repr(one.optimizer), one.fit["epochs"], seed] for one, seed in zip(trials, seeds, strict=True)
                ]
                write("start", cells)
                time.sleep(0.2)
                trained = train(trials, seeds, *rest)
                write("end", cells)
                return trained

            def write(event, cells):
                with open(log, "a") as file:  # noqa: PTH123 - a text survives the way to the worker
                    file.write(json.dumps([os.getpid(), event, cells]) + "\n")

            runner.train_each = watched

    return Watcher()


def test_dask_loses_no_cell_and_repeats_none_when_a_worker_is_killed(tmp_path, capsys):
    distributed = pytest.importorskip("distributed")
    log, lines = tmp_path / "log", lambda: [json.loads(line) for line in log.read_text().splitlines()]

    def kill():
        while not log.exists() or len(lines()) < 6:
            time.sleep(0.02)
        time.sleep(0.1)
        os.kill(next(pid for pid, event, _ in reversed(lines()) if event == "start"), signal.SIGKILL)

    settings = {"n_workers": 3, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    given = {"tasks": ["diabetes"], "tracks": "A", "output": tmp_path / "dask", "export": tmp_path / "dask.json"}
    killer = threading.Thread(target=kill, daemon=True)
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        client.register_plugin(watcher(str(log)))
        killer.start()
        bench(**given, dask=cluster.scheduler_address)
        killer.join(10)
        done = lines()
        bench(**given, dask=cluster.scheduler_address)
        assert lines() == done
    assert "on 3 processes" in capsys.readouterr().err
    ended = [json.dumps(cell) for _, event, cells in done if event == "end" for cell in cells]
    assert len(ended) == len(set(ended)) == len(BASELINES) * len(FINAL_SEEDS) * len(HORIZONS)
    assert sum(event == "start" for _, event, _ in done) == sum(event == "end" for _, event, _ in done) + 1
    assert (
        len({pid for pid, _, _ in done} - {os.getpid()}) == 4
    )  # three workers, and the one in place of the killed one

    bench(**{**given, "output": tmp_path / "here", "export": tmp_path / "here.json"}, workers=1)
    there, here = (json.loads((tmp_path / f"{name}.json").read_text())["outcomes"] for name in ("dask", "here"))
    for one, other in zip(there, here, strict=True):
        assert (one["contender"], one["horizon"]) == (other["contender"], other["horizon"])
        assert one["test"] == pytest.approx(other["test"], rel=1e-3)
