import math

import pytest
import torch
from torch.testing import assert_close

from chainrule import CallbackError, HyperparameterError
from chainrule.callbacks import best
from chainrule.optimizers import ema, sgd
from tests.scripted_curves import States, scripted_fit

TABLE = [[3, 1, math.nan], [1, 2, 5], [2, 0, 4], [1, 9, 6]]
RULES = {"adam": {}, "ema": {"optimizer": ema(inner=sgd(lr=0.1), decay=0.9)}}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("mode", "epochs", "values"), [("min", [2, 3, 3], [1, 0, 4]), ("max", [1, 4, 4], [3, 9, 6])])
def test_each_member_ends_as_it_was_at_its_best(mode, epochs, values, rule):
    states, keeps = States(), best("train_score", mode)
    network, _ = scripted_fit(TABLE, [states, keeps], **RULES[rule])
    assert keeps.epochs.tolist() == epochs
    assert keeps.values.tolist() == values
    for name, tensor in network.state_dict().items():
        assert_close(tensor, torch.stack([states.after[e][name][i] for i, e in enumerate(epochs)]), rtol=0, atol=0)
        assert torch.equal(tensor, keeps.network_state()[name])


def test_a_single_network_ends_as_it_was_at_its_best():
    states, keeps = States(), best("train_score", "min")
    network, _ = scripted_fit([3, 1, 2], [states, keeps])
    assert keeps.epochs.tolist() == [2]
    assert_close(network.state_dict(), states.after[2], rtol=0, atol=0)


def test_without_restoring_the_best_is_there_to_be_loaded():
    states, keeps = States(), best("train_score", "min", restore=False)
    network, _ = scripted_fit(TABLE, [states, keeps])
    assert_close(network.state_dict(), states.after[4], rtol=0, atol=0)
    network.load_state_dict(keeps.network_state())
    assert torch.equal(network.state_dict()["0.weight"][1], states.after[3]["0.weight"][1])


def test_a_member_without_a_number_stays_as_it_is_at_the_end():
    states, keeps = States(), best("train_score", "min")
    network, _ = scripted_fit([[math.nan, 1], [math.nan, 2]], [states, keeps])
    assert keeps.epochs.tolist() == [0, 1]
    assert torch.equal(network.state_dict()["0.weight"][0], states.after[2]["0.weight"][0])


def test_which_direction_is_better_must_be_said_of_all_but_losses():
    with pytest.raises(HyperparameterError, match=r'^best: mode must be "min" or "max" for the curve train_score, got'):
        best("train_score")
    with pytest.raises(HyperparameterError, match=r"^best: mode must be .*, got 'least'\. Pass \"max\" if more"):
        best("validation_loss", mode="least")


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("loss", r"best: monitor must be one of train_loss, train_score, got loss\. Choose one of them\.$"),
        ("validation_loss", r"best: monitor must be .* got validation_loss\. Choose .* or pass validation=\(x, y\) to"),
    ],
)
def test_an_unknown_curve_is_answered_with_those_that_exist(monitor, message):
    with pytest.raises(CallbackError, match=f"^{message}"):
        scripted_fit(TABLE, [best(monitor)])
