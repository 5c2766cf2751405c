import numpy as np
import pytest
import torch

from chainrule.optimizers import adafactor
from tests.oracles import assert_follows, by_array_formula, by_torch


def reference(rule, parameter, gradients):
    in_torch = rule.relative_step and not rule.momentum and rule.eps[0] < 1e-20  # a bound in torch, a term in the paper
    return (by_torchs if in_torch else by_formula)(rule, parameter, gradients)


def by_torchs(rule, parameter, gradients):
    settings = {"lr": rule.lr, "beta2_decay": -rule.decay_rate, "d": rule.clip_threshold, "eps": rule.eps}
    return by_torch(
        torch.optim.Adafactor, {**settings, "weight_decay": rule.weight_decay, "foreach": False}, parameter, gradients
    )


def by_formula(rule, parameter, gradients):
    def formula(theta, g, memory, t):
        beta, square = 1 - t**-rule.decay_rate, g**2 + rule.eps[0]
        if g.ndim < 2:
            v = memory["V"] = beta * memory.get("V", 0.0) + (1 - beta) * square
        else:  # the paper's sums
            row = memory["R"] = beta * memory.get("R", 0.0) + (1 - beta) * square.sum(-1, keepdims=True)
            column = memory["C"] = beta * memory.get("C", 0.0) + (1 - beta) * square.sum(-2, keepdims=True)
            v = row * column / row.sum(-2, keepdims=True)
        u = g / np.sqrt(v)
        u = u / max(1.0, np.sqrt(np.mean(u**2)) / rule.clip_threshold)
        u = memory["m"] = rule.momentum * memory.get("m", 0.0) + (1 - rule.momentum) * u
        alpha = rule.lr
        if rule.relative_step:
            alpha = max(rule.eps[1], np.sqrt(np.mean(theta**2))) * min(rule.lr, 1 / np.sqrt(t))
        return theta - alpha * u - rule.lr * rule.weight_decay * theta

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.5},  # above 1 / √t from the fifth step on
        {"decay_rate": 0.5},
        {"clip_threshold": 2.0},
        {"eps": (1e-30, 10.0)},
        {"weight_decay": 0.1},
    ],
    ids=str,
)
def test_other_settings_are_those_of_torch_and_of_the_formula(settings):
    assert_follows(by_torchs, adafactor, **settings)
    assert_follows(by_formula, adafactor, **settings)


@pytest.mark.parametrize(
    "settings",
    [{"momentum": 0.9}, {"clip_threshold": 0.1}, {"eps": (0.1, 1e-3)}, {"relative_step": False}, {"decay_rate": 0.0}],
    ids=str,
)
def test_other_settings_follow_the_formula_too(settings):
    assert_follows(by_formula, adafactor, **settings)


def test_a_matrix_keeps_a_number_per_row_and_column():
    state = adafactor().init(torch.zeros(5, 3))
    assert {name: tuple(entry.shape) for name, entry in state.items()} == {"R": (5,), "C": (3,)}
