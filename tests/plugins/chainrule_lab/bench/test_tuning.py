"""Tuning on losses that a formula gives in place of training."""

import math
from types import SimpleNamespace

import pytest

from chainrule_lab.bench.contenders import contender
from chainrule_lab.bench.protocol import FINAL_SEEDS, TUNING_SEEDS
from chainrule_lab.bench.tuning import Stage
from chainrule_lab.sweep.results import Row


class Formula:
    """Cells whose validation loss is given by lr, decay and schedule; also the task that they are of."""

    def __init__(self, loss):
        self.loss, self.asked, self.make, self.metrics = loss, [], self, {"accuracy": None}

    def rows(self, name, cells):
        self.asked += cells
        return [self.row(cell) for cell in cells]

    def row(self, cell):
        own = dict(cell.point.settings)
        loss = self.loss(own.get("lr", 0.5), own.get("weight_decay", 0.0), cell.point.schedule)
        tested = {"test_loss": [loss], "test_accuracy": [0.5]} if cell.final else {}
        return Row(
            {}, {"validation_loss": [2 * loss, loss], "train_loss": [loss], **tested}, diverged=False, seconds=0.0
        )

    def task(self, name):
        return SimpleNamespace(initial_losses=dict.fromkeys([*TUNING_SEEDS, *FINAL_SEEDS], 2.3), task=self)


def stage(loss, track="B", name="adamw"):
    cells = Formula(loss)
    (found,) = Stage(cells, "digits_mlp", track, 1).outcomes([contender(name)])
    return found, cells


def bowl(lr, decay, schedule, *, at=0.1):
    return 0.1 + abs(math.log10(lr / at)) + decay + 0.01 * (schedule == "cosine")


def test_every_point_has_the_tuning_seeds_and_the_chosen_one_the_final_seeds():
    found, cells = stage(bowl)
    assert dict(found.chosen.settings) == {"lr": 0.1, "weight_decay": 0.0}
    assert found.chosen.schedule == "constant"
    assert len(found.tried) == 13 * 5 * 2
    assert {cell.seed for cell in cells.asked if not cell.final} == set(TUNING_SEEDS)
    assert [cell.seed for cell in cells.asked if cell.final] == list(FINAL_SEEDS)
    assert not set(TUNING_SEEDS) & set(FINAL_SEEDS)
    assert found.log == []


def test_the_test_split_is_read_by_final_runs_alone():
    _, cells = stage(bowl)
    assert [cell.final for cell in cells.asked] == [False] * 390 + [True] * 20


def test_a_grid_is_extended_at_most_twice_and_that_is_logged():
    found, _ = stage(lambda lr, decay, schedule: bowl(lr, decay, schedule, at=1e9))
    assert dict(found.chosen.settings)["lr"] == 1000.0  # from 10, by two half decades twice
    assert len(found.tried) == (13 + 4) * 5 * 2
    assert len(found.log) == 3
    assert "added: lr 31.6, 100." in found.log[0]
    assert found.log[2].endswith("is at the edge of the grid still.")


def test_runs_that_end_above_ten_times_their_first_loss_diverged():
    found, _ = stage(lambda lr, decay, schedule: 23.1 if lr > 0.9 else bowl(lr, decay, schedule, at=10))
    assert dict(found.chosen.settings)["lr"] == 0.316
    assert all(
        math.isinf(loss) for point, own in found.tried.items() for loss in own if dict(point.settings)["lr"] > 0.9
    )


def test_an_optimizer_that_always_diverges_is_kept_and_counts_as_infinite():
    found, cells = stage(lambda lr, decay, schedule: math.nan)
    assert found.chosen is None
    assert found.test == [math.inf] * 20
    assert found.diverged == 20
    assert not any(cell.final for cell in cells.asked)


def test_a_task_may_be_without_metrics():
    cells = Formula(bowl)
    cells.metrics = {}
    (found,) = Stage(cells, "digits_mlp", "A", 1).outcomes([contender("adamw")])
    assert (len(found.test), found.metric) == (20, [])


def test_track_a_runs_the_defaults_alone():
    found, cells = stage(bowl, track="A")
    assert [cell.point.settings for cell in cells.asked] == [()] * 20
    assert found.tried == {}


def test_track_c_tries_fifty_points_with_both_schedules():
    found, _ = stage(bowl, track="C")
    assert len(found.tried) == 50
    assert {point.schedule for point in found.tried} == {"constant", "cosine"}


@pytest.mark.parametrize("name", ["adam", "Mine"])
def test_all_optimizers_of_a_stage_are_tuned_alike(name, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from chainrule_plugins.optimizers.adam import Adam\nclass Mine(Adam):\n    pass\n")
    _, cells = stage(bowl, name=name if name == "adam" else f"{file}:Mine")
    assert len(cells.asked) == 13 * 2 * 3 + 20
