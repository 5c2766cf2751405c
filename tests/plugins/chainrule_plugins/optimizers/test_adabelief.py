import math

import pytest

from chainrule.optimizers import adabelief
from tests.oracles import assert_follows, by_formula


def reference(rule, parameter, gradients):
    beta1, beta2 = rule.betas

    def formula(theta, g, memory, t):
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
        s = memory["s"] = beta2 * memory.get("s", 0.0) + (1 - beta2) * (g - m) ** 2 + rule.eps
        d = m / (1 - beta1**t) / (math.sqrt(s / (1 - beta2**t)) + rule.eps)
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.5, 0.999)}, {"betas": (0.9, 0.5)}, {"eps": 1e-2}, {"weight_decay": 0.1}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adabelief, lr=0.1, **settings)
