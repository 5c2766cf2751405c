"""Runs that are interrupted and go on from their checkpoint."""

import pytest
import torch
from torch.testing import assert_close

from chainrule import StateError, fit, hookimpl, param_groups
from chainrule.callbacks import best, csv, early_stopping, gradient_norms, history_file, reduce_on_plateau
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, ema, lookahead, sgd

X = torch.randn(28, 3, generator=torch.Generator().manual_seed(0))
Y = X.flip(1).cos()
WRAPPED = ema(inner=lookahead(inner=adam(lr=0.01), k=3))


class Interrupt:
    """Interrupt a run after a step."""

    def __init__(self, step):
        self.step = step

    @hookimpl
    def chainrule_step_end(self, run):
        if run.step == self.step:
            raise KeyboardInterrupt


def build(**seeds):
    module = sequential(linear(3, 8), batch_norm(8), dropout(0.3), linear(8, 3))
    return module.build(**seeds or {"seeds": [0, 1, 2]})


def train(path=None, *, after=None, rule=WRAPPED, callbacks=(), network=None, epochs=3, **settings):
    """Return the network and its history; a run that is interrupted after a step is started again."""
    given = {
        "train": (X, Y), "validation": (X / 2, Y), "batch_size": 8, "metrics": ["r2"], "epochs": epochs,
        "checkpoint": path,
    } | settings  # fmt: skip
    if after:
        with pytest.raises(KeyboardInterrupt):
            fit(build(), mse(), rule, callbacks=[*callbacks, Interrupt(after)], **given)
    network = network or build()
    return network, fit(network, mse(), rule, callbacks=callbacks, **given)


def assert_same(one, other):
    (network, history), (expected, curves) = one, other
    assert history.keys() == curves.keys()
    for name, curve in curves.items():
        assert_close(history[name], curve, rtol=0, atol=0, equal_nan=True)
    for name, values in expected.state_dict().items():
        assert_close(network.state_dict()[name], values, rtol=0, atol=0)
    assert_close(network.random_state(), expected.random_state(), rtol=0, atol=0)
    updaters = history.updater.state_dict(), curves.updater.state_dict()
    assert_close(updaters[0]["state"], updaters[1]["state"], rtol=0, atol=0)
    assert updaters[0]["t"] == updaters[1]["t"]


@pytest.mark.parametrize("evaluate_train", [True, False])
@pytest.mark.parametrize(("every", "after"), [("epoch", 3), ("epoch", 9), (3, 4), (3, 7), (2, 7), (1, 4), (1, 12)])
def test_an_interrupted_run_goes_on_to_the_bit(tmp_path, every, after, evaluate_train):
    """Within the first epoch and later, before the smaller last batch and after it."""
    whole = train(evaluate_train=evaluate_train)
    settings = {"every": every, "evaluate_train": evaluate_train}
    assert_same(train(tmp_path / "run.ckpt", after=after, **settings), whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.ckpt"]


def test_a_run_that_has_ended_returns_its_history_and_goes_on_for_more_epochs(tmp_path):
    path = tmp_path / "run.ckpt"
    first = train(path, epochs=2)
    written = path.stat().st_mtime_ns
    assert_same(train(path, epochs=2, network=first[0]), train(epochs=2))
    assert path.stat().st_mtime_ns == written
    assert_same(train(path, epochs=4), train(epochs=4))
    with pytest.raises(StateError, match=r"epochs must be at least 4, as many as checkpoint .* has, got 3"):
        train(path, epochs=3)


@pytest.mark.parametrize("after", [6, 17, 26, 30])
def test_callbacks_go_on_with_their_state(tmp_path, after):
    def callbacks(folder):
        files = [history_file(folder / "history.jsonl"), csv(folder / "history.csv")]
        watching = [early_stopping("validation_r2", 2, mode="max", min_delta=0.01), best("train_loss", restore=False)]
        return [
            gradient_norms(),
            *watching,
            reduce_on_plateau("train_loss", factor=0.5, patience=0, threshold=0.2),
            *files,
        ]

    rule = param_groups({"*.bias": sgd(lr=0.1), "*": WRAPPED})
    expected = callbacks(tmp_path / "whole")
    whole = train(callbacks=expected, rule=rule, epochs=9)
    assert 0 < expected[1].epochs.min() < expected[1].epochs.max()
    resumed = callbacks(tmp_path / "parts")
    settings = {"every": 3, "rule": rule, "epochs": 9}
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run.ckpt", callbacks=[*callbacks(tmp_path / "parts"), Interrupt(after)], **settings)
    assert_same(train(tmp_path / "run.ckpt", callbacks=resumed, **settings), whole)
    for one, other in ((resumed[1], expected[1]), (resumed[2], expected[2])):
        assert torch.equal(one.epochs, other.epochs)
        assert torch.equal(one.values, other.values)
    assert_close(resumed[2].network_state(), expected[2].network_state(), rtol=0, atol=0)
    for name in ("history.jsonl", "history.csv"):
        assert (tmp_path / "parts" / name).read_text() == (tmp_path / "whole" / name).read_text()
