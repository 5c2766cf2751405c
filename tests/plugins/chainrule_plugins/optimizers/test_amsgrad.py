import math

import pytest
import torch

from chainrule.optimizers import amsgrad
from tests.oracles import assert_follows, by_formula, by_torch


def reference(rule, parameter, gradients):
    if not rule.maximum_of_corrected:
        settings = {name: getattr(rule, name) for name in ("lr", "betas", "eps", "weight_decay")}
        return by_torch(torch.optim.AdamW, {**settings, "amsgrad": True}, parameter, gradients)
    beta1, beta2 = rule.betas

    def formula(theta, g, memory, t):  # torch has only the maximum of v
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
        v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * g**2
        u = memory["u"] = max(memory.get("u", 0.0), v / (1 - beta2**t))
        d = m / (1 - beta1**t) / (math.sqrt(u) + rule.eps)
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize("maximum_of_corrected", [False, True])
@pytest.mark.parametrize("settings", [{"betas": (0.9, 0.0)}, {"betas": (0.5, 0.9)}, {"weight_decay": 0.1}], ids=str)
def test_other_settings_follow_the_reference_too(settings, maximum_of_corrected):
    assert_follows(reference, amsgrad, lr=0.1, maximum_of_corrected=maximum_of_corrected, **settings)
