"""A history is read after every epoch, by checkpoints and callbacks."""

import copy

import pytest
import torch

from chainrule import ChainruleError, fit
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd
from chainrule.training.history import History

X, Y = torch.ones(4, 2), torch.zeros(4, 1)


def test_what_was_read_before_is_not_joined_again(monkeypatch):
    """Else the cost of a run would grow with the square of its epochs."""
    stack, joined = torch.stack, []
    history = History(sgd(lr=0.1).attach(linear(2, 1).build(seed=0)))
    monkeypatch.setattr(torch, "stack", lambda values: joined.append(len(values)) or stack(values))
    for epoch in range(20):
        history.append({"train_loss": torch.tensor(float(epoch))})
        assert history["train_loss"].tolist() == list(map(float, range(epoch + 1)))
    assert joined == [1] * 20


def test_curves_that_were_given_out_and_copies_do_not_change_with_it():
    history = fit(linear(2, 1).build(seeds=[0, 1]), mse(), sgd(lr=0.1), train=(X, Y), epochs=2)
    given, other, before = history["train_loss"], copy.copy(history), history["train_loss"].clone()
    history.append({"train_loss": torch.zeros(2)})
    assert torch.equal(given, before)
    assert torch.equal(other["train_loss"], before)
    given.zero_()
    other.append({"train_loss": torch.ones(2)})
    assert torch.equal(history["train_loss"], torch.cat([before, torch.zeros(1, 2)]))


def test_the_best_member_is_none_that_has_diverged():
    history = History(sgd(lr=0.1).attach(linear(2, 1).build(seeds=range(4))))
    history.append({"train_loss": torch.zeros(4), "accuracy": torch.zeros(4)})
    history.append(
        {
            "train_loss": torch.tensor([torch.nan, 2.0, 1.0, -torch.inf]),
            "accuracy": torch.tensor([torch.nan, 0.7, 0.5, torch.inf]),
            "gone": torch.full((4,), torch.nan),
        }
    )
    assert history.best_member("train_loss") == 2
    assert history.best_member("accuracy", largest=True) == 1
    with pytest.raises(
        ChainruleError, match=r"^history: best_member needs largest=True or False for the curve accuracy"
    ):
        history.best_member("accuracy")
    with pytest.raises(
        ChainruleError, match=r"^history: best_member needs a member that has not diverged, got none in"
    ):
        history.best_member("gone", largest=True)


def test_a_curve_of_validation_that_there_is_not_is_no_curve_of_training():
    history = fit(linear(2, 1).build(seeds=[0, 1]), mse(), sgd(lr=0.1), train=(X, Y), epochs=1)
    with pytest.raises(
        ChainruleError, match=r"'validation_loss'\. The fit had no validation data\. Pass validation=\(x"
    ):
        history["validation_loss"]
