import math

import pytest

from chainrule.optimizers import adan
from tests.oracles import assert_follows, by_formula


def reference(rule, parameter, gradients):
    beta1, beta2, beta3 = rule.betas

    def formula(theta, g, memory, t):
        delta = g - memory.get("g", g)
        memory["g"] = g
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
        v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * delta
        n = memory["n"] = beta3 * memory.get("n", 0.0) + (1 - beta3) * (g + beta2 * delta) ** 2
        d = m / (1 - beta1**t) + beta2 * v / (1 - beta2**t)
        return theta - rule.lr * (d / (math.sqrt(n / (1 - beta3**t)) + rule.eps) + rule.weight_decay * theta)

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [{"betas": (0.0, 0.9, 0.9)}, {"betas": (0.9, 0.0, 0.9)}, {"betas": (0.9, 0.9, 0.0)}, {"weight_decay": 0.1}],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adan, lr=0.1, **settings)
