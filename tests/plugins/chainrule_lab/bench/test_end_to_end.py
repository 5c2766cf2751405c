"""Whole benchmarks, by the command."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from chainrule_lab.bench.cells import Cells, Make
from chainrule_lab.bench.comparisons import compared
from chainrule_lab.bench.contenders import contender
from chainrule_lab.bench.tuning import Stage
from chainrule_lab.sweep.runner import Workers

pytestmark = pytest.mark.slow

RULE = """
import torch
from chainrule import Optimizer, hyperparameter

class Mine(Optimizer):
    momentum: float = hyperparameter(default=0.9, at_least=0, below=1)

    def init(self, parameter):
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter, grad, state, step):
        return state["m"].lerp_(grad, 1 - self.momentum)
"""

PLANTED = """
import torch
from chainrule_plugins.optimizers.adam import Adam

class Null(Adam):
    pass

class Lazy(Adam):
    def update(self, parameter, grad, state, step):
        moves = torch.arange(parameter.shape[-1]) % 20 > 0  # all weights but the first of the largest input
        return super().update(parameter, grad, state, step) * moves
"""


def command(*arguments):
    return [sys.executable, "-m", "chainrule", "bench", *map(str, arguments)]


def finished(store):
    if not store.exists():
        return {}
    with closing(sqlite3.connect(store)) as database:
        try:
            return dict(database.execute("SELECT key, curves FROM results"))
        except sqlite3.OperationalError:  # killed before the tables were made
            return {}


def test_twenty_kills_lose_no_finished_cell(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(RULE)
    arguments = [f"{file}:Mine", "--task", "diabetes", "--tracks", "A", "--workers", "1", "--output"]
    known, delays = {}, random.Random(0)  # noqa: S311 - delays
    for _ in range(20):
        running = subprocess.Popen(command(*arguments, tmp_path / "killed"), stderr=subprocess.DEVNULL)
        while running.poll() is None and finished(tmp_path / "killed" / "results.db").keys() == known.keys():
            time.sleep(0.1)
        time.sleep(delays.uniform(0, 0.5))
        running.send_signal(signal.SIGKILL)
        running.wait()
        now = finished(tmp_path / "killed" / "results.db")
        assert known.items() <= now.items()
        known = now
    assert len(known) > 20
    for folder in ("killed", "whole"):
        given = [*arguments, tmp_path / folder, "--export", tmp_path / f"{folder}.json"]
        subprocess.run(command(*given), check=True, stderr=subprocess.DEVNULL, timeout=500)
    killed, whole = (json.loads((tmp_path / f"{name}.json").read_text())["outcomes"] for name in ("killed", "whole"))
    assert [one["chosen"] for one in killed] == [one["chosen"] for one in whole]
    for one, other in zip(killed, whole, strict=True):
        assert one["test"] == pytest.approx(other["test"], rel=1e-3)


def test_a_planted_effect_is_found_and_a_null_one_is_not(tmp_path):
    file = tmp_path / "planted.py"
    file.write_text(PLANTED)
    named = [contender("adam"), contender(f"{file}:Null"), contender(f"{file}:Lazy")]
    cells = Cells(Make({one.text: one for one in named}), tmp_path / "results.db", Workers())
    found = {
        one.outcome.contender: one for one in compared(Stage(cells, "noisy_quadratic", "B", 1).outcomes(named), "B")
    }
    assert found["Null"].verdict == "equivalent"
    assert found["Null"].adjusted_p > 0.05
    assert found["Lazy"].verdict == "worse"


def test_an_optimizer_of_pytorch_optimizer_runs_with_no_code(tmp_path):
    pytest.importorskip("pytorch_optimizer")
    given = ["pytorch_optimizer.Lion", "--quick", "--workers", "1", "--output", tmp_path]
    done = subprocess.run(command(*given), capture_output=True, text=True, check=False, timeout=580)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.md").read_text()
    assert "| **Lion** |" in text
    ours = next(line for line in text.splitlines() if line.startswith("| noisy_quadratic | 1× | Lion | lion |"))
    assert ours.endswith("| equivalent |")
