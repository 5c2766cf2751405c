import math

import pytest
import torch

from chainrule.optimizers import adadelta
from tests.oracles import assert_follows, by_formula, by_torch


def reference(rule, parameter, gradients):
    if not rule.weight_decay:
        settings = {name: getattr(rule, name) for name in ("lr", "rho", "eps")}
        return by_torch(torch.optim.Adadelta, settings, parameter, gradients)

    def formula(theta, g, memory, _):  # torch couples the decay
        v = memory["v"] = rule.rho * memory.get("v", 0.0) + (1 - rule.rho) * g**2
        d = math.sqrt(memory.get("u", 0.0) + rule.eps) / math.sqrt(v + rule.eps) * g
        memory["u"] = rule.rho * memory.get("u", 0.0) + (1 - rule.rho) * d**2
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize("settings", [{"rho": 0.5}, {"eps": 1e-2}, {"lr": 10.0, "rho": 0.9, "eps": 1e-3}], ids=str)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adadelta, **settings)
