import pytest

from chainrule.optimizers import signum
from tests.oracles import assert_follows, by_formula


def reference(rule, parameter, gradients):
    def formula(theta, g, memory, t):
        m = memory["m"] = rule.momentum * memory.get("m", 0.0) + (1 - rule.momentum) * g
        sign = 1 if m > 0 else -1 if m < 0 else 0
        return theta - rule.lr * sign - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize("settings", [{"momentum": 0.0}, {"momentum": 0.99}, {"weight_decay": 0.5}], ids=str)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, signum, lr=0.5, **settings)
