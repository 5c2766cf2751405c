import math

import pytest
import torch
from torch.testing import assert_close

from chainrule import HyperparameterError
from chainrule.callbacks import early_stopping
from tests.scripted_curves import States, scripted_fit

TABLE = [[9, 3, math.nan], [8, 1, math.nan], [7, 2, 1], [6, 2, 1], [5, 0, 1], [4, 0, 1]]


def test_each_member_is_stopped_after_its_patience_and_keeps_its_best():
    states, stops = States(), early_stopping("train_score", patience=2, mode="min")
    network, history = scripted_fit(TABLE, [states, stops])
    _, free = scripted_fit(TABLE, [])
    assert stops.epochs.tolist() == [6, 2, 0]
    assert stops.values.tolist() == [4, 1, math.inf]
    for name, tensor in network.state_dict().items():
        assert_close(tensor[0], states.after[6][name][0], rtol=0, atol=0)
        assert_close(tensor[1], states.after[2][name][1], rtol=0, atol=0)
        assert_close(tensor[2], states.after[2][name][2], rtol=0, atol=0)  # it is stopped then, without a best
    losses = history["train_loss"]
    assert_close(losses[:4, 1], free["train_loss"][:4, 1], rtol=0, atol=0)
    assert (losses[4:, 1] == losses[1, 1]).all()
    assert torch.equal(losses[:, 0], free["train_loss"][:, 0])


@pytest.mark.parametrize(
    ("table", "patience", "min_delta", "epochs"),
    [
        ([5, 5, 5, 5, 5], 1, 0.0, 2),
        ([5, 4, 4, 3, 3, 3, 2], 2, 0.0, 6),
        ([5.0, 4.9, 4.8, 4.7], 2, 0.5, 3),
        ([[5, 5], [5, 4], [5, 3], [5, 3]], 1, 0.0, 4),
        ([[5, 5], [5, 5], [5, 3], [5, 2]], 1, 0.0, 2),
    ],
)
def test_the_fit_ends_with_its_last_member(table, patience, min_delta, epochs):
    stops = early_stopping("train_score", patience, min_delta=min_delta, mode="min")
    assert scripted_fit(table, [stops])[1].epochs == epochs


def test_a_member_that_is_still_trained_at_the_end_has_its_best_too():
    states, stops = States(), early_stopping("train_score", patience=5, mode="max")
    network, _ = scripted_fit([1, 3, 2], [states, stops])
    assert_close(network.state_dict(), states.after[2], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 0}, r"patience must be an integer of at least 1, got 0\. Pass 10"),
        ({"patience": 2.5}, r"patience must be an integer of at least 1, got 2\.5"),
        ({"min_delta": -0.1}, r"min_delta must be a number of at least 0, got -0\.1"),
        (
            {"monitor": "validation_accuracy"},
            r'mode must be "min" or "max" for the curve validation_accuracy, got',
        ),
    ],
)
def test_a_wrong_setting_is_one_line(settings, message):
    with pytest.raises(HyperparameterError, match=f"^early_stopping: {message}"):
        early_stopping(**settings)
