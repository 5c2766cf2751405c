import math

import pytest
import torch

from chainrule.optimizers import adagrad

SETTINGS = [
    {},
    {"lr": 0.5},
    {"lr": 0.5, "lr_decay": 0.1},
    {"lr": 0.5, "initial_accumulator": 0.1},
    {"lr": 0.5, "eps": 1e-2},
    {"lr": 0.5, "lr_decay": 0.02, "initial_accumulator": 1.0, "eps": 1e-3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_equals_torch(settings, trajectory, torch_trajectory, assert_same):
    theirs = {{"initial_accumulator": "initial_accumulator_value"}.get(k, k): v for k, v in settings.items()}
    assert_same(trajectory(adagrad(**settings)), torch_trajectory(torch.optim.Adagrad, **theirs))


def decoupled(theta, g, memory):
    memory["s"] = memory.get("s", 0.1) + g * g
    memory["t"] = memory.get("t", 0) + 1
    return theta - 0.5 * g / (math.sqrt(memory["s"]) + 1e-10) / (1 + (memory["t"] - 1) * 0.1) - 0.5 * 0.01 * theta


def coupled(theta, g, memory):
    return decoupled(theta, g + 0.01 * theta, memory) + 0.5 * 0.01 * theta


def eps_inside(theta, g, memory):
    memory["s"] = memory.get("s", 0.0) + g * g
    return theta - 0.5 * g / math.sqrt(memory["s"] + 1e-2)


def test_decay_is_decoupled_and_not_slowed_by_lr_decay(trajectory, formula_trajectory, assert_same):
    rule = adagrad(lr=0.5, lr_decay=0.1, initial_accumulator=0.1, weight_decay=0.01)
    assert_same(trajectory(rule), formula_trajectory(decoupled))
    with pytest.raises(AssertionError):
        assert_same(trajectory(rule), formula_trajectory(coupled))


def test_eps_stands_outside_the_root(trajectory, formula_trajectory, assert_same):
    with pytest.raises(AssertionError):
        assert_same(trajectory(adagrad(lr=0.5, eps=1e-2)), formula_trajectory(eps_inside))
