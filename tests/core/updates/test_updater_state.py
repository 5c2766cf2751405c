import copy
import io

import pytest
import torch

from chainrule import Optimizer, StateError, param_groups
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, sgd

X, Y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))


class ByParameter(Optimizer):
    elementwise = False

    def init(self, parameter):
        return {"m": torch.zeros_like(parameter), "count": parameter.new_zeros(())}

    def update(self, parameter, grad, state, step):
        state["count"].add_(step.t)
        return state["m"].mul_(0.9).add_(grad) / parameter.norm() / state["count"]


def build(**settings):
    return sequential(linear(3, 4), tanh(), linear(4, 3)).build(**(settings or {"seeds": [0, 1]}))


def train(network, updater, steps):
    loss = mse(members=True)
    for _ in range(steps):
        loss(network(X), Y)
        network.zero_grad()
        network.backward(loss.backward())
        updater.step()


@pytest.mark.parametrize("rule", [ByParameter(), adam(schedule=lambda t: 1 / t)], ids=["by parameter", "adam"])
def test_a_run_resumes_to_the_bit(rule):
    network = build()
    updater = rule.attach(network)
    train(network, updater, 7)
    file = io.BytesIO()
    torch.save((network.state_dict(), updater.state_dict()), file)
    train(network, updater, 5)

    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    resumed = build(seeds=[8, 9])
    again = rule.attach(resumed)
    resumed.load_state_dict(weights)
    again.load_state_dict(state)
    train(resumed, again, 5)
    assert torch.equal(resumed.flat.data, network.flat.data)
    assert again.t == 12


@pytest.mark.parametrize("rate", [0.001, torch.tensor([0.001, 0.01])], ids=["number", "tensor"])
def test_rates_that_were_set_are_resumed(rate):
    rules = param_groups({"*.bias": adam(), "*": adam(schedule=lambda t: 1 / t)})
    network = build()
    updater = rules.attach(network)
    train(network, updater, 2)
    assert "rates" not in updater.state_dict()
    updater.set_lr(rate, group="*")
    saved = network.state_dict(), updater.state_dict()
    train(network, updater, 2)

    resumed = build()
    again = rules.attach(resumed)
    resumed.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    train(resumed, again, 2)
    assert torch.equal(resumed.flat.data, network.flat.data)
    assert again.state_dict()["rates"].keys() == {"*"}
    assert copy.deepcopy(again).rates["*.bias"] == 0.001


@pytest.mark.parametrize("norm", [0.01, None])
def test_clipping_that_was_set_is_resumed(norm):
    network = build()
    updater = sgd(lr=0.1).attach(network, clip_norm=0.1)
    assert "clip_norm" not in updater.state_dict()
    updater.clip_norm = norm
    saved = network.state_dict(), updater.state_dict()
    train(network, updater, 2)

    resumed = build()
    again = sgd(lr=0.1).attach(resumed, clip_norm=0.1)
    resumed.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    train(resumed, again, 2)
    assert torch.equal(resumed.flat.data, network.flat.data)
    assert copy.deepcopy(again).state_dict()["clip_norm"] == norm


def test_a_state_is_a_copy_by_parameter_name():
    network = build()
    updater = adam().attach(network)
    state = updater.state_dict()
    train(network, updater, 1)
    assert not any(entry.any() for entries in state["state"].values() for entry in entries.values())
    assert {name: entries["m"].shape for name, entries in state["state"].items()} == {
        "0.weight": (2, 4, 3),
        "0.bias": (2, 4),
        "2.weight": (2, 3, 4),
        "2.bias": (2, 3),
    }


def without(*path):
    def change(state):
        for key in path[:-1]:
            state = state[key]
        del state[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("t"), "updater: a state must have \"t\", \"rules\" and \"state\", got ['rules', 'seeds', 'state']."),
        (
            lambda state: state["rules"].update({"2.bias": "sgd"}),
            "the state of 2.bias must be that of adam, got that of sgd.",
        ),
        (without("state", "2.bias"), "got none of ['2.bias']. Freeze those that were frozen when it was saved, or at"),
        (lambda state: state["state"].update(extra={}), "got a difference in ['extra']"),
        (lambda state: state.update(rates={"0.*": 1.0}), "rates must be of the groups ['*'], got {'0.*': 1.0}."),
        (lambda state: state.update(clip_norm=-1), "updater: clip_norm must be a number above 0, got -1."),
        (without("state", "2.bias", "m"), "updater: the state of 2.bias must be {'m': (2, 3), 'v': (2, 3)}, got"),
        (lambda state: state["state"]["2.bias"].update(m=torch.ones(3)), "got {'m': (3,), 'v': (2, 3)}"),
    ],
)
def test_a_state_that_does_not_fit_raises_and_changes_nothing(change, message):
    network = build()
    updater = adam().attach(network)
    other = updater.state_dict()
    train(network, updater, 3)
    before = copy.deepcopy(updater.state_dict())
    other["t"] = 99
    for entries in other["state"].values():
        entries["m"].fill_(5)
    change(other)
    with pytest.raises(StateError) as caught:
        updater.load_state_dict(other)
    assert message in str(caught.value)
    after = updater.state_dict()
    assert (after["t"], after["rules"]) == (before["t"], before["rules"])
    torch.testing.assert_close(after["state"], before["state"], rtol=0, atol=0)


def test_the_state_of_another_rule_or_network_raises():
    with pytest.raises(StateError, match=r"0\.weight must be that of adam, got that of sgd\. Attach the rule"):
        adam().attach(build()).load_state_dict(sgd(momentum=0.9).attach(build()).state_dict())
    with pytest.raises(StateError, match="got"):
        adam().attach(build()).load_state_dict(adam().attach(build(seed=0)).state_dict())


def test_a_rule_of_equal_state_but_another_name_is_refused():
    class Other(adam):
        pass

    with pytest.raises(StateError, match=r"the state of 0\.weight must be that of adam, got that of other\."):
        adam().attach(build()).load_state_dict(Other().attach(build()).state_dict())


def test_a_state_of_a_frozen_parameter_with_another_rule_is_refused():
    network, other = build(), build().freeze("0.*")
    updater = sgd(momentum=0.9).attach(network)
    network.freeze("0.*")
    of_two = param_groups({"0.*": adam(), "*": sgd(momentum=0.9)}).attach(other)
    with pytest.raises(StateError, match=r"the state of 0\.weight must be that of adam, got that of sgd\."):
        of_two.load_state_dict(updater.state_dict())


def test_a_state_of_tensors_that_require_grad_is_loaded_without_history():
    updater = sgd(momentum=0.9).attach(build())
    updater.network.flat.grad.fill_(1.0)
    updater.step()
    saved = updater.state_dict()
    for state in saved["state"].values():
        state["b"].requires_grad_()
    updater.load_state_dict(saved)
    updater.step()
    loaded = updater.state_dict()["state"]
    assert not any(state["b"].requires_grad for state in loaded.values())
    assert all(torch.equal(state["b"], saved["state"][name]["b"] * 0.9 + 1) for name, state in loaded.items())
