import pytest
import torch

from chainrule import HyperparameterError
from chainrule.optimizers import sgd

SETTINGS = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_equals_torch(settings, trajectory, torch_trajectory, assert_same):
    assert_same(trajectory(sgd(lr=0.05, **settings)), torch_trajectory(torch.optim.SGD, lr=0.05, **settings))


class DecoupledDecay(sgd):
    def update(self, parameter, grad, state, step):
        buffer = state["b"].mul_(self.momentum).add_(grad)
        return buffer + self.weight_decay * parameter


class NesterovByOldBuffer(sgd):
    def update(self, parameter, grad, state, step):
        direction = grad + self.momentum * state["b"]
        state["b"].mul_(self.momentum).add_(grad)
        return direction


@pytest.mark.parametrize(
    ("cls", "settings"),
    [(DecoupledDecay, SETTINGS[3]), (NesterovByOldBuffer, SETTINGS[4])],
)
def test_a_wrong_rule_is_seen(cls, settings, trajectory, torch_trajectory, assert_same):
    with pytest.raises(AssertionError):
        assert_same(trajectory(cls(lr=0.05, **settings)), torch_trajectory(torch.optim.SGD, lr=0.05, **settings))


def test_nesterov_without_momentum_raises():
    with pytest.raises(HyperparameterError) as caught:
        sgd(nesterov=True)
    assert str(caught.value) == "sgd: nesterov=True needs momentum above 0, got 0. Pass momentum=0.9, for example."
