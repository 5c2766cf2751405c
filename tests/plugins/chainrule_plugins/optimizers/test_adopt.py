import math

import pytest

from chainrule.optimizers import adopt
from tests.oracles import assert_follows, by_formula


def reference(rule, parameter, gradients):
    beta1, beta2 = rule.betas

    def formula(theta, g, memory, t):
        decayed = theta - rule.lr * rule.weight_decay * theta
        if t == 1:
            memory["v"], memory["m"] = g**2, 0.0
            return decayed
        z, bound = g / max(math.sqrt(memory["v"]), rule.eps), (t - 1) ** 0.25
        m = memory["m"] = beta1 * memory["m"] + (1 - beta1) * min(max(z, -bound), bound)
        memory["v"] = beta2 * memory["v"] + (1 - beta2) * g**2
        return decayed - rule.lr * m

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.999)}, {"betas": (0.9, 0.0)}, {"eps": 1e-2}, {"weight_decay": 0.1}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adopt, lr=0.1, **settings)
