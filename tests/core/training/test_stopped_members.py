"""Members that a callback stops, and curves that it records."""

import pytest
import torch
from torch.testing import assert_close

from chainrule import CallbackError, fit, hookimpl
from chainrule.layers import batch_norm, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, ema, sgd

X, Y = torch.randn(2, 24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Stops:
    """Stop members after an epoch and remember the network as it was then."""

    def __init__(self, *members, after=2):
        self.members, self.after = members, after

    @hookimpl
    def chainrule_epoch_end(self, run, epoch):
        if epoch == self.after:
            self.state = run.network.state_dict()
            run.stop(members=self.members)


def train(*callbacks, rule=None, seeds=(0, 1, 2), epochs=5, **settings):
    network = sequential(linear(3, 4), batch_norm(4), linear(4, 3)).build(seeds=seeds, dtype=torch.float64)
    history = fit(
        network, mse(), rule or adam(lr=0.1), train=(X, Y), validation=(X, Y), batch_size=8, epochs=epochs,
        callbacks=callbacks, **settings,
    )  # fmt: skip
    return network, history


@pytest.mark.parametrize("rule", [adam(lr=0.1), ema(inner=sgd(lr=0.1, momentum=0.9), decay=0.9)], ids=["adam", "ema"])
@pytest.mark.parametrize("evaluate_train", [True, False])
def test_a_stopped_member_stays_as_it_was_evaluated_and_the_others_go_on_to_the_bit(rule, evaluate_train):
    stops = Stops(1)
    network, history = train(stops, rule=rule, evaluate_train=evaluate_train)
    free, expected = train(rule=rule, evaluate_train=evaluate_train)
    for name, values in network.state_dict().items():
        assert_close(values[1], stops.state[name][1], rtol=0, atol=0)
        assert_close(values[[0, 2]], free.state_dict()[name][[0, 2]], rtol=0, atol=0)
        assert not torch.equal(values[1], free.state_dict()[name][1])
    for name, curve in history.items():
        assert_close(curve[:, [0, 2]], expected[name][:, [0, 2]], rtol=0, atol=0)
        assert_close(curve[:2], expected[name][:2], rtol=0, atol=0)
    assert (history["validation_loss"][2:, 1] == history["validation_loss"][1, 1]).all()


def test_every_step_of_a_stopped_member_starts_from_what_it_keeps():
    """So that the mean of its steps, the curve of an iterable, does not fall."""
    network = linear(3, 3).build(seeds=[0, 1], dtype=torch.float64)
    history = fit(
        network, mse(), sgd(lr=0.1), train=(X, Y), batch_size=8, epochs=4, evaluate_train=False, callbacks=[Stops(1)]
    )
    curve = history["train_loss"]
    assert_close(curve[2:, 1], curve[2, 1].expand(2), rtol=1e-12, atol=0)
    assert (curve[1:, 0] < curve[:-1, 0]).all()


@pytest.mark.slow  # it compiles
def test_a_compiled_fit_keeps_stopped_members_too():
    stops = Stops(0, 2)
    network, _ = train(stops, compile=True)
    state = network.state_dict()
    assert all(torch.equal(state[name][[0, 2]], stops.state[name][[0, 2]]) for name in state)
    assert not torch.equal(state["0.weight"][1], stops.state["0.weight"][1])


def test_a_member_may_be_stopped_in_the_middle_of_an_epoch():
    class StopsAtOnce:
        @hookimpl
        def chainrule_step_end(self, run):
            if run.step == 4:
                self.weight = run.network.state_dict()["0.weight"][1]
                run.stop(members=[1])

    stops = StopsAtOnce()
    network, _ = train(stops)
    assert torch.equal(network.state_dict()["0.weight"][1], stops.weight)


def test_the_fit_ends_once_every_member_has_stopped():
    assert train(Stops(0, 2, after=1), Stops(1, 1, after=3), epochs=9)[1].epochs == 3
    assert train(Stops(0, after=2), seeds=None)[1].epochs == 2


@pytest.mark.parametrize("member", [3, -1, 0.5])
def test_a_member_that_does_not_exist_is_one_line(member):
    with pytest.raises(CallbackError, match=r"run\.stop: members must be .*, got "):
        train(Stops(member))


class Records:
    def __init__(self, name, value):
        self.name, self.value = name, value

    @hookimpl
    def chainrule_epoch_end(self, run):
        run.record(self.name, self.value)


class Reads:
    @hookimpl
    def chainrule_epoch_end(self, metrics):
        self.metrics = metrics


def test_a_recorded_value_is_a_curve_and_a_metric_for_later_callbacks():
    first, last = Reads(), Reads()
    _, history = train(first, Records("rate", 0.1), Records("norm", torch.arange(3.0)), last)
    assert history["rate"].tolist() == [[0.1] * 3] * 5
    assert history["norm"].tolist() == [[0.0, 1.0, 2.0]] * 5
    assert last.metrics.keys() - first.metrics.keys() == {"rate", "norm"}
    assert train(Records("rate", 0.1), seeds=None)[1]["rate"].tolist() == [0.1] * 5


def test_recording_makes_no_curve_whose_cost_grows_with_the_epochs(monkeypatch):
    made = []
    stack = torch.stack
    monkeypatch.setattr(torch, "stack", lambda tensors, *rest: made.append(len(tensors)) or stack(tensors, *rest))
    train(Records("rate", 0.1), epochs=9)
    assert max(made, default=0) < 5


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("train_loss", 1.0, r'a name must be new, got "train_loss"\. The epoch has train_loss, validation_loss'),
        ("norm", torch.ones(2), r"norm must be a number or have shape \(3,\), got \(2,\)"),
    ],
)
def test_what_cannot_be_recorded_is_one_line(name, value, message):
    with pytest.raises(CallbackError, match=rf"run\.record: {message}"):
        train(Records(name, value))


def test_a_value_is_recorded_at_an_epochs_end():
    class TooEarly:
        @hookimpl
        def chainrule_step_end(self, run):
            run.record("rate", 0.1)

    with pytest.raises(CallbackError, match=r"run\.record: a value must be recorded at an epoch's end, got a call in"):
        train(TooEarly())


def test_the_batch_of_the_last_step_is_there_to_be_read():
    seen = []

    class Sees:
        @hookimpl
        def chainrule_step_end(self, run):
            seen.append(run.batch)

    batches = [(X[:5], Y[:5]), (X[5:], Y[5:])]
    fit(linear(3, 3).build(dtype=torch.float64), mse(), sgd(), train=batches, callbacks=[Sees()])
    for (x, y), batch in zip(batches, seen, strict=True):
        assert_close(batch, (x[None], y[None]), rtol=0, atol=0)


def test_a_single_number_of_a_member_is_answered_with_the_list():
    class StopsOne:
        @hookimpl
        def chainrule_epoch_end(self, run):
            run.stop(members=1)

    with pytest.raises(CallbackError, match=r"run\.stop: members must be a list of their numbers, got 1\. Pass \[1\]"):
        train(StopsOne())
