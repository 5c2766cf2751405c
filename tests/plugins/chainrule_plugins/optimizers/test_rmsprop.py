import math

import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import rmsprop
from tests.oracles import assert_follows, by_formula, by_torch


def reference(rule, parameter, gradients):
    if not rule.weight_decay and not rule.eps_inside:
        settings = {name: getattr(rule, name) for name in ("lr", "momentum", "centered", "eps")}
        return by_torch(torch.optim.RMSprop, {**settings, "alpha": rule.decay}, parameter, gradients)

    def formula(theta, g, memory, _):  # torch has no eps inside the root and couples the decay
        v = memory["v"] = rule.decay * memory.get("v", 0.0) + (1 - rule.decay) * g**2
        mean = memory["mean"] = rule.decay * memory.get("mean", 0.0) + (1 - rule.decay) * g
        variance = v - mean**2 if rule.centered else v
        d = g / (math.sqrt(variance + rule.eps) if rule.eps_inside else math.sqrt(variance) + rule.eps)
        d = memory["b"] = rule.momentum * memory.get("b", 0.0) + d
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"decay": 0.5}, {"centered": True}, {"eps": 1e-2}, {"eps_inside": True, "momentum": 0.9}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, rmsprop, **settings)


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 3.7])
def test_centered_stays_finite_when_the_gradient_never_changes(size):
    network = linear(2, 2).build(dtype=torch.float64)
    updater = rmsprop(centered=True).attach(network)
    network.flat.grad.fill_(size)
    for _ in range(1000):
        updater.step()
    assert network.flat.data.isfinite().all()
