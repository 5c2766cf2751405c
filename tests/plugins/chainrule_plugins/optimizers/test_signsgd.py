import pytest

from chainrule.optimizers import signsgd
from tests.oracles import assert_follows, by_formula


def reference(rule, parameter, gradients):
    def formula(theta, g, memory, t):
        sign = 1 if g > 0 else -1 if g < 0 else 0
        return theta - rule.lr * sign - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize("settings", [{"lr": 0.5}, {"lr": 0.5, "weight_decay": 0.5}], ids=str)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, signsgd, **settings)
