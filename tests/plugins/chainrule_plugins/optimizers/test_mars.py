import numpy as np
import pytest

from chainrule.optimizers import mars
from tests.oracles import assert_follows, by_array_formula


def reference(rule, parameter, gradients):
    beta1, beta2 = rule.betas

    def formula(theta, g, memory, t):
        c = g + rule.gamma * beta1 / (1 - beta1) * (g - memory.get("g", g))
        memory["g"] = g
        norm = np.sqrt((c**2).sum())
        c = c / norm if norm > 1 else c
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * c
        v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * c**2
        d = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + rule.eps)
        return theta - rule.lr * (d + rule.weight_decay * theta)

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.999)}, {"betas": (0.9, 0.0)}, {"gamma": 0.0}, {"gamma": 1.0}, {"eps": 1e-2}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, mars, lr=0.1, **settings)
