"""Mistakes in loops of one's own, and in what is kept of a run."""

import copy
import pickle

import pytest
import torch

import chainrule
from chainrule import ChainruleError, StateError, hookimpl
from chainrule.errors import BackwardError, UnknownCurveError
from chainrule.layers import dropout, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.ones(6, 2), torch.zeros(6, 1)


def test_a_step_without_a_backward_of_the_network_is_refused():
    network, loss = linear(2, 1).build(), mse()
    updater = sgd().attach(network)
    for _ in range(2):
        loss(network(X), Y)
        loss.backward()
        with pytest.raises(
            BackwardError, match=r"got a call of the network and no gradient\. Write network\.backward\("
        ):
            updater.step()
    assert updater.t == 0
    network.backward(loss.backward()) if loss(network(X), Y) else None
    updater.step()
    assert updater.t == 1


def test_a_step_on_gradients_of_ones_own_or_after_an_evaluation_is_taken():
    network = linear(2, 1).build()
    updater = sgd().attach(network)
    updater.step()
    network.eval()
    network(X)
    updater.step()
    network.train()
    network(X)
    network.flat.grad.fill_(1.0)
    updater.step()
    assert updater.t == 3


def test_a_curve_is_no_attribute_of_the_history():
    history = chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y))
    for one in (history, copy.deepcopy(history), pickle.loads(pickle.dumps(history))):  # noqa: S301
        with pytest.raises(AttributeError, match=r'Write history\["train_loss"\]\.'):
            one.train_loss  # noqa: B018
    with pytest.raises(AttributeError, match="matplotlib"):
        history.plot()


@pytest.mark.parametrize("name", [["train_loss"], 0, None])
def test_a_curve_has_a_name(name):
    history = chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y))
    with pytest.raises(UnknownCurveError, match=r"^history: no curve is called .*train_loss"):
        history[name]


@pytest.mark.parametrize("saved", [5, {"key": 1, "counter": 2}, {"key": torch.zeros(2, 1)}])
def test_a_random_state_of_another_form_is_refused(saved):
    network = sequential(linear(2, 2), dropout(0.5)).build()
    with pytest.raises(StateError, match=r"the random state of 1\.random must have tensors key and counter, got "):
        network.load_random_state({"1.random": saved})


def test_a_metric_of_one_argument_is_refused_before_the_first_step():
    with pytest.raises(ChainruleError, match=r"^fit: metric mean must take \(prediction, target\), got a lambda"):
        chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y), metrics={"mean": lambda x: x.mean((1, 2))})


def test_a_device_without_values_is_refused():
    with pytest.raises(
        ChainruleError, match=r"^build: device must be one that this machine and this torch have, got 'meta'"
    ):
        linear(2, 1).build(device="meta")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((X,), r"needs y, got none\. Write network_step\(x, y\)"),
        (((X, Y),), r"needs y, got none\. Write network_step\(x, y\)"),
        ((X, None), r"^step: y must be a tensor, got None\."),
    ],
)
def test_a_step_on_half_a_batch_is_refused(batch, message):
    step = chainrule.training_step(linear(2, 1).build(), mse(), sgd())
    with pytest.raises(ChainruleError, match=message):
        step(*batch)


@pytest.mark.parametrize("prediction", [torch.tensor(1.0), torch.ones(3, 2, dtype=torch.int64)])
def test_a_loss_of_anything_but_rows_of_numbers_is_refused(prediction):
    with pytest.raises(ChainruleError, match=r"^mse: prediction must have (rows, .*\(\)|a floating dtype, got)"):
        mse()(prediction, prediction)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("lr", "run.updater.rates"),
        ("epochz", r'Did you mean "epoch"\? Mend the callback'),
    ],
)
def test_an_attribute_that_a_run_has_not_is_answered(name, instead):
    class Asks:
        @hookimpl
        def chainrule_epoch_end(self, run):
            getattr(run, name)

    with pytest.raises(ChainruleError, match=instead):
        chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y), callbacks=[Asks()])


def test_a_network_that_is_frozen_as_a_whole_is_not_trained():
    network = linear(2, 1).build().freeze("*")
    with pytest.raises(ChainruleError, match=r"a parameter or more must be trained, got all of them frozen\. Write"):
        chainrule.fit(network, mse(), sgd(), train=(X, Y))
    chainrule.fit(network.unfreeze("bias"), mse(), sgd(), train=(X, Y))
