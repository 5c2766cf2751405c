import math

import pytest

from chainrule.optimizers import yogi
from tests.oracles import assert_follows, by_formula


def reference(rule, parameter, gradients):
    beta1, beta2 = rule.betas

    def formula(theta, g, memory, t):
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
        v = memory.get("v", rule.initial_accumulator)
        v = memory["v"] = v + (1 - beta2) * (g**2 if v < g**2 else -(g**2))
        d = m / (math.sqrt(v) + rule.eps)
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.999)}, {"betas": (0.9, 0.5)}, {"initial_accumulator": 2.0}, {"eps": 1e-2}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, yogi, lr=0.1, **settings)
