import pytest

from chainrule.optimizers import grokfast, sgd
from tests.oracles import around_torch, assert_follows


def reference(rule, parameter, gradients):
    slow, amplified = gradients[0], []
    for gradient in gradients:
        slow = rule.alpha * slow + (1 - rule.alpha) * gradient
        amplified.append(gradient + rule.lamb * slow)
    return around_torch(rule, parameter, amplified, lambda t, before, gradient, after: after)


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"alpha": 0.9, "lamb": 0.0}], ids=str)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, grokfast, inner=sgd(lr=0.1, momentum=0.5), **settings)
