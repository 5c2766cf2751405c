"""Rules that evaluate with other values than they train."""

import pytest
import torch
from torch.testing import assert_close

from chainrule import Optimizer, evaluate, fit, hookimpl, hyperparameter, param_groups
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Averaged(Optimizer):
    """Gradient descent that evaluates with a running mean of its parameters, scaled."""

    decay: float = hyperparameter(default=0.5, at_least=0, at_most=1)

    def init(self, parameter):
        return {"average": parameter * self.decay}

    def apply(self, parameter, grad, state, step):
        parameter.sub_(step.lr * grad)
        state["average"].mul_(self.decay).add_((1 - self.decay) * parameter)

    def evaluation_parameter(self, parameter, state):
        return state["average"] * (1 + self.decay)


class AveragedByParameter(Averaged):
    elementwise = False


@pytest.mark.parametrize("cls", [Averaged, AveragedByParameter])
@pytest.mark.parametrize("decays", [[0.5, 0.5, 0.5], [0.0, 0.3, 0.9]])
def test_evaluation_sees_each_members_own_average(cls, decays):
    network = linear(3, 3).build(seeds=[0, 1, 2], dtype=torch.float64)
    updater = cls(lr=0.1, decay=torch.tensor(decays, dtype=torch.float64)).attach(network)
    decay = torch.tensor(decays, dtype=torch.float64).view(3, 1, 1)
    expected = network.module.weight.data * decay
    for _ in range(3):
        network.flat.grad.fill_(1)
        updater.step()
        expected = decay * expected + (1 - decay) * network.module.weight.data
    trained = network.flat.data.clone()
    with updater.evaluating():
        assert_close(network.module.weight.data, expected * (1 + decay))
    assert torch.equal(network.flat.data, trained)


def test_the_trained_values_come_back_after_an_error():
    network = linear(3, 3).build()
    updater = Averaged().attach(network)
    trained = network.flat.data.clone()
    with pytest.raises(KeyError), updater.evaluating():
        network.state_dict()["weights"]
    assert torch.equal(network.flat.data, trained)


def test_other_groups_are_evaluated_as_they_are():
    network = linear(3, 3).build()
    updater = param_groups({"weight": Averaged(), "bias": sgd()}).attach(network)
    before = network.state_dict()
    with updater.evaluating():
        assert_close(network.state_dict()["weight"], before["weight"] * 0.75)
        assert torch.equal(network.state_dict()["bias"], before["bias"])


class Best:
    """Keep what the network holds at the end of the best epoch."""

    def __init__(self):
        self.loss, self.state = float("inf"), None

    @hookimpl
    def chainrule_epoch_end(self, run, metrics):
        if metrics["validation_loss"] < self.loss:
            self.loss, self.state = metrics["validation_loss"].item(), run.network.state_dict()


def test_fit_leaves_behind_what_its_last_curve_measured():
    network, rule, best = linear(3, 3).build(dtype=torch.float64), Averaged(lr=0.1), Best()
    history = fit(network, mse(), rule, train=[(X, Y)], validation=(X, Y), epochs=3, callbacks=[best])
    plain = linear(3, 3).build(dtype=torch.float64)
    average = plain.flat.data / 2
    for epoch in range(3):
        fit(plain, mse(), sgd(lr=0.1), train=[(X, Y)])
        average = (average + plain.flat.data) / 2
        evaluated = linear(3, 3).build(dtype=torch.float64)
        evaluated.flat.data.copy_(1.5 * average)
        assert_close(history["validation_loss"][epoch], mse()(evaluated(X), Y))
    assert evaluate(network, mse(), (X, Y))["loss"] == history["validation_loss"][-1]
    assert_close(network.flat.data, 1.5 * average)
    evaluated.load_state_dict(best.state)
    assert evaluate(evaluated, mse(), (X, Y))["loss"].item() == best.loss == history["validation_loss"].min()
    # Training goes on from the trained parameters.
    network.zero_grad()
    history.updater.step()
    assert_close(network.flat.data, plain.flat.data)


def test_a_saved_fit_goes_on_to_the_bit():
    whole, broken = (linear(3, 3).build(dtype=torch.float64) for _ in range(2))
    going_on = fit(whole, mse(), Averaged(lr=0.1), train=[(X, Y)], epochs=3).updater
    updater = fit(broken, mse(), Averaged(lr=0.1), train=[(X, Y)], epochs=3).updater
    saved = {"network": broken.state_dict(), "updater": updater.state_dict()}
    for order in (("network", "updater"), ("updater", "network")):
        resumed = linear(3, 3).build(seed=1, dtype=torch.float64)
        parts = {"network": resumed, "updater": Averaged(lr=0.1).attach(resumed)}
        for name in order:
            parts[name].load_state_dict(saved[name])
        assert torch.equal(resumed.flat.data, broken.flat.data)
        resumed.flat.grad.fill_(1.0)
        parts["updater"].step()
        whole.flat.grad.fill_(1.0)
        if order[0] == "network":
            going_on.step()
        assert torch.equal(resumed.flat.data, whole.flat.data)


def test_values_of_the_users_own_are_trained_from():
    network = linear(3, 3).build(dtype=torch.float64)
    updater = fit(network, mse(), Averaged(lr=0.1), train=[(X, Y)]).updater
    network.flat.data.fill_(2.0)
    network.flat.grad.fill_(1.0)
    updater.step()
    assert_close(network.flat.data, torch.full_like(network.flat.data, 1.9))


def test_a_saved_state_has_the_values_of_the_users_own():
    network = linear(3, 3).build(seeds=[0, 1], dtype=torch.float64)
    updater = fit(network, mse(), Averaged(lr=0.1), train=[(X, Y)]).updater
    network.module.weight.data[0].fill_(2.0)
    resumed = linear(3, 3).build(seeds=[0, 1], dtype=torch.float64)
    going_on = Averaged(lr=0.1).attach(resumed)
    resumed.load_state_dict(network.state_dict())
    going_on.load_state_dict(updater.state_dict())
    for one, steps in ((network, updater), (resumed, going_on)):
        one.flat.grad.fill_(1.0)
        steps.step()
    assert_close(resumed.flat.data, network.flat.data, rtol=0, atol=0)
    assert_close(resumed.module.weight.data[0], torch.full((3, 3), 1.9, dtype=torch.float64))


def test_what_is_shown_stays_after_a_look():
    network = linear(3, 3).build(dtype=torch.float64)
    updater = fit(network, mse(), Averaged(lr=0.1), train=[(X, Y)]).updater
    shown = network.flat.data.clone()
    with updater.evaluating():
        assert torch.equal(network.flat.data, shown)
    assert torch.equal(network.flat.data, shown)


def test_what_is_frozen_is_evaluated_as_it_is_whatever_was_read_before():
    network = linear(3, 3).build(dtype=torch.float64)
    updater = Averaged(lr=0.1).attach(network)
    network.flat.grad.fill_(1.0)
    updater.step()
    trained = network.module.weight.data.clone()
    network.freeze("weight")
    with updater.evaluating():
        assert torch.equal(network.module.weight.data, trained)


@pytest.mark.parametrize("cls", [Averaged, AveragedByParameter])
@pytest.mark.parametrize("change", [torch.Tensor.zero_, lambda values: values.fill_(torch.nan)], ids=["changed", "NaN"])
def test_the_others_train_on_where_a_member_was_changed_while_averages_were_shown(cls, change):
    def trained(seeds, *, changes):
        network = linear(3, 3).build(seeds=seeds, dtype=torch.float64)
        updater = cls(lr=0.1).attach(network)
        for _ in range(2):
            network.flat.grad.fill_(1.0)
            updater.step()
            updater.show_evaluation_parameters()
            if changes:
                change(network.module.weight.data[0])
        network.flat.grad.fill_(1.0)
        updater.step()
        return network

    together = trained([0, 1], changes=True)
    assert_close(together.member(0).flat.data, trained([0], changes=True).flat.data, equal_nan=True)
    assert_close(together.member(1).flat.data, trained([1], changes=False).flat.data)


def test_a_member_that_diverges_leaves_the_training_of_the_others_as_it_is():
    def others(lr):
        network = linear(3, 3).build(seeds=[0, 1], dtype=torch.float64)
        rule = Averaged(lr=torch.tensor([lr, 0.05], dtype=torch.float64))
        fit(network, mse(), rule, train=(X, Y), epochs=20)
        return network.member(0).flat.data, network.member(1).flat.data

    (diverged, other), (_, expected) = others(1e300), others(0.01)
    assert not diverged.isfinite().any()
    assert torch.equal(other, expected)
