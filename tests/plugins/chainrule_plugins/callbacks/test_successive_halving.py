import math

import pytest
import torch

from chainrule import CallbackError, HyperparameterError, fit, hookimpl
from chainrule.callbacks import (
    best,
    csv,
    early_stopping,
    gradient_norms,
    nan_guard,
    reduce_on_plateau,
    successive_halving,
)
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import adam

X, Y = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Scores:
    """Record the same scores after every epoch."""

    def __init__(self, scores):
        self.scores = scores

    @hookimpl
    def chainrule_epoch_end(self, run):
        run.record("score", self.scores)


def trained_epochs(scores, *callbacks, epochs, mode="max", **settings):
    """Return the number of epochs for which each member was trained."""
    network = linear(3, 3).build(seeds=range(len(scores)), dtype=torch.float64)
    halving = successive_halving("score", mode=mode, **settings)
    observers = [Scores(scores), *callbacks, halving]
    history = fit(network, mse(), adam(), train=(X, Y), epochs=epochs, evaluate_train=False, callbacks=observers)
    return (~history["train_loss"].isnan()).sum(0).tolist(), history


def test_a_quarter_stays_at_each_rung():
    trained, history = trained_epochs(torch.arange(64.0), epochs=64)
    assert trained == [1] * 48 + [4] * 12 + [16] * 3 + [64]
    assert history.members == [63]


@pytest.mark.parametrize(
    ("epochs", "members", "settings", "trained"),
    [
        (10, 5, {"eta": 2, "rungs": 1}, [5, 5, 10, 10, 10]),
        (10, 5, {"eta": 2, "rungs": 1, "mode": "min"}, [10, 10, 10, 5, 5]),
        (10, 7, {"eta": 3, "rungs": 2}, [2, 2, 2, 2, 4, 4, 10]),
        (8, 64, {}, [1] * 60 + [2] * 3 + [8]),  # the rungs at 1/64 and 1/16 are in one epoch
        (2, 5, {}, [1, 1, 1, 1, 2]),
        (1, 5, {}, [1] * 5),
    ],
)
def test_epochs_and_members_are_rounded_up(epochs, members, settings, trained):
    assert trained_epochs(torch.arange(float(members)), epochs=epochs, **settings)[0] == trained


def test_a_member_without_a_number_is_dropped_first():
    scores = torch.tensor([1.0, math.nan, 2.0, math.inf])
    assert trained_epochs(scores, epochs=4, eta=2, rungs=1, mode="min")[0] == [4, 2, 4, 2]


def test_an_unknown_curve_is_one_line_after_the_first_epoch():
    with pytest.raises(CallbackError, match=r"^successive_halving: monitor must be one of train_loss, score, got no"):
        trained_epochs(torch.arange(4.0), successive_halving("no", mode="min", eta=2, rungs=1), epochs=10)


def test_a_single_network_is_trained_to_the_end():
    network = linear(3, 3).build(dtype=torch.float64)
    halving = successive_halving("train_loss")
    assert fit(network, mse(), adam(), train=(X, Y), epochs=8, callbacks=[halving]).epochs == 8


def test_other_callbacks_follow_the_members_that_stay(tmp_path):
    path = tmp_path / "curves.csv"
    keeps, stops = best("train_loss", restore=False), early_stopping("train_loss", patience=9)
    lowers = reduce_on_plateau("train_loss", patience=0, threshold=0.99, factor=0.5)  # from the second epoch on
    others = [nan_guard(), gradient_norms(), keeps, stops, lowers, csv(path)]
    trained, history = trained_epochs(torch.tensor([1.0, 3.0, 0.0, 2.0]), *others, epochs=4, eta=2, rungs=2)
    assert trained == [1, 4, 1, 2]
    assert keeps.epochs.tolist() == stops.epochs.tolist() == trained  # the loss falls all the time
    last = [history["train_loss"][epoch - 1, member].item() for member, epoch in enumerate(trained)]
    assert keeps.values.tolist() == stops.values.tolist() == last
    rows = [tuple(map(int, line.split(",")[:2])) for line in path.read_text().splitlines()[1:]]
    assert rows == [(epoch, member) for epoch in (1, 2, 3, 4) for member in range(4) if epoch <= trained[member]]
    assert history.updater.rates["*"].tolist() == [1e-3, 1e-3 / 8, 1e-3, 1e-3 / 2]
    assert (~history["gradient_norm"].isnan()).sum(0).tolist() == trained


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": 1}, r"eta must be an integer of at least 2, got 1\."),
        ({"rungs": 0}, r"rungs must be an integer of at least 1, got 0\."),
        ({"monitor": "validation_accuracy"}, r'mode must be "min" or "max" for the curve validation_accuracy, got'),
    ],
)
def test_a_wrong_setting_is_one_line(settings, message):
    with pytest.raises(HyperparameterError, match=f"^successive_halving: {message}"):
        successive_halving(**settings)
