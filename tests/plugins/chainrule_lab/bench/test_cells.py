import math
import sys
from dataclasses import replace

import pytest
import torch

from chainrule_lab.bench import cells as cells_module
from chainrule_lab.bench.cells import Cell, Cells, Make
from chainrule_lab.bench.contenders import contender
from chainrule_lab.bench.results import Point
from chainrule_lab.bench.tuning import Stage
from chainrule_lab.sweep.runner import Workers
from chainrule_lab.sweep.trial import Keys

RULE = """
import torch
from chainrule import Optimizer

class Mine(Optimizer):
    def update(self, parameter, grad, state, step):
        return {direction}
"""


def key(cell, make):
    return Keys().of(make(cell.as_settings()), cell.seed)


@pytest.fixture
def make():
    return Make({name: contender(name) for name in ("adam", "adamw", "sgd")})


@pytest.fixture
def cell():
    return Cell("diabetes", "adamw", Point.of({"lr": 0.01, "weight_decay": 0.1}, "cosine"), 2, 1000)


def test_the_trial_is_that_of_the_cell(cell, make):
    trial = make(cell.as_settings())
    assert (trial.test, trial.fit["epochs"], trial.fit["batch_size"]) == (None, 80, 32)
    assert (trial.optimizer.lr, trial.optimizer.weight_decay) == (0.01, 0.1)
    assert trial.optimizer.schedule.total_steps == 80 * 9
    assert make(replace(cell, final=True).as_settings()).test is not None


def test_the_key_follows_from_all_that_the_result_depends_on(cell, make, monkeypatch):
    keys = {key(cell, make)}
    for change in (
        {"task": "noisy_quadratic"},
        {"contender": "sgd"},
        {"point": Point.of({"lr": 0.02, "weight_decay": 0.1}, "cosine")},
        {"point": Point.of({"lr": 0.01, "weight_decay": 0.1}, "constant")},
        {"horizon": 1},
        {"seed": 1001},
        {"final": True},
    ):
        keys.add(key(replace(cell, **change), make))
    assert len(keys) == 8
    assert key(cell, Make(make.contenders)) in keys
    monkeypatch.setattr(cells_module, "PROTOCOL", 2)
    assert key(cell, make) not in keys


def test_a_changed_rule_invalidates_its_own_cells_alone(cell, tmp_path):
    found = []
    for direction in ("grad", "grad.sign()"):
        file = tmp_path / "mine.py"
        file.write_text(RULE.format(direction=direction))
        sys.modules.pop("mine", None)  # another process would import the file anew
        own = contender(f"{file}:Mine")
        both = Make({own.text: own, "adamw": contender("adamw")})
        point = Point.of({"lr": 0.01}, "constant")
        found.append([key(replace(cell, contender=own.text, point=point), both), key(cell, both)])
    (mine, theirs), (mine_then, theirs_then) = found
    assert mine != mine_then
    assert theirs == theirs_then


@pytest.mark.slow
def test_a_changed_class_for_pytorch_invalidates_its_cells(cell, tmp_path):
    found = set()
    for factor in (1, 2):
        file = tmp_path / "theirs.py"
        file.write_text(f"import torch\n\nclass Theirs(torch.optim.SGD):\n    factor = {factor}\n")
        sys.modules.pop("theirs", None)
        own = contender(f"{file}:Theirs")
        found.add(key(replace(cell, contender=own.text), Make({own.text: own})))
    assert len(found) == 2


def test_runs_are_kept_paired_and_never_repeated(make, tmp_path):
    cells = Cells(make, tmp_path / "results.db", Workers())
    adam, sgd = Stage(cells, "diabetes", "A", 1).outcomes([make.contenders["adam"], make.contenders["sgd"]])
    assert len(adam.test) == len(adam.curves) == 20
    assert all(map(math.isfinite, adam.test))
    assert torch.corrcoef(torch.tensor([adam.train, sgd.train]))[0, 1] > 0.5  # alike starts, the rates are small
    again = Cells(Make(make.contenders), tmp_path / "results.db", Workers())
    again.make.task("diabetes").splits  # noqa: B018
    assert Stage(again, "diabetes", "A", 1).outcomes([make.contenders["adam"]]) == [adam]
