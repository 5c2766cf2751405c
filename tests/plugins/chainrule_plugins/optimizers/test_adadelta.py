import math

import pytest
import torch

from chainrule.optimizers import adadelta

SETTINGS = [{}, {"rho": 0.5}, {"lr": 0.3}, {"eps": 1e-2}, {"lr": 10.0, "rho": 0.9, "eps": 1e-3}]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_equals_torch(settings, trajectory, torch_trajectory, assert_same):
    theirs = {"lr": 1.0, "rho": 0.95, **settings}
    assert_same(trajectory(adadelta(**settings)), torch_trajectory(torch.optim.Adadelta, **theirs))


def decoupled(theta, g, memory):
    v = memory["v"] = 0.9 * memory.get("v", 0.0) + 0.1 * g * g
    d = math.sqrt(memory.get("u", 0.0) + 1e-6) / math.sqrt(v + 1e-6) * g
    memory["u"] = 0.9 * memory.get("u", 0.0) + 0.1 * d * d
    return theta - 0.5 * d - 0.5 * 0.1 * theta


def coupled(theta, g, memory):
    return decoupled(theta, g + 0.1 * theta, memory) + 0.5 * 0.1 * theta


def test_decay_is_decoupled(trajectory, formula_trajectory, assert_same):
    found = trajectory(adadelta(lr=0.5, rho=0.9, weight_decay=0.1))
    assert_same(found, formula_trajectory(decoupled))
    with pytest.raises(AssertionError):
        assert_same(found, formula_trajectory(coupled))


class EpsOutside(adadelta):
    def update(self, parameter, grad, state, step):
        square = state["v"].mul_(self.rho).addcmul_(grad, grad, value=1 - self.rho)
        direction = (state["u"].sqrt() + self.eps) / (square.sqrt() + self.eps) * grad
        state["u"].mul_(self.rho).addcmul_(direction, direction, value=1 - self.rho)
        return direction


def test_eps_outside_the_roots_is_seen(trajectory, torch_trajectory, assert_same):
    with pytest.raises(AssertionError):
        assert_same(trajectory(EpsOutside()), torch_trajectory(torch.optim.Adadelta, lr=1.0, rho=0.95))
