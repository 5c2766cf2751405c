import math

import pytest
import torch

from chainrule.optimizers import adagrad
from tests.oracles import assert_follows, by_formula, by_torch


def reference(rule, parameter, gradients):
    if not rule.weight_decay:
        settings = {"lr": rule.lr, "lr_decay": rule.lr_decay, "eps": rule.eps}
        settings["initial_accumulator_value"] = rule.initial_accumulator
        return by_torch(torch.optim.Adagrad, settings, parameter, gradients)

    def formula(theta, g, memory, t):  # torch couples the decay
        s = memory["s"] = memory.get("s", rule.initial_accumulator) + g**2
        d = g / (math.sqrt(s) + rule.eps) / (1 + (t - 1) * rule.lr_decay)
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"lr_decay": 0.1}, {"initial_accumulator": 0.1}, {"eps": 1e-2}, {"weight_decay": 0.1}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adagrad, lr=0.5, **settings)
