import pytest

from chainrule.optimizers import lion
from tests.oracles import assert_follows, by_formula


def reference(rule, parameter, gradients):
    def formula(theta, g, memory, t):
        (beta1, beta2), m = rule.betas, memory.get("m", 0.0)
        c = beta1 * m + (1 - beta1) * g
        memory["m"] = beta2 * m + (1 - beta2) * g
        return theta - rule.lr * ((c > 0) - (c < 0) + rule.weight_decay * theta)

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.99)}, {"betas": (0.95, 0.0)}, {"betas": (0.5, 0.98)}, {"weight_decay": 0.5}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, lion, lr=0.5, **settings)
