import pytest
import torch

from chainrule import HyperparameterError
from chainrule.layers import linear
from chainrule.optimizers import adam, lookahead, sgd
from tests.oracles import around_torch, assert_follows


def reference(rule, parameter, gradients):
    slow = parameter.clone()

    def change(t, before, gradient, after):
        nonlocal slow
        if t % rule.k:
            return after
        slow = slow + rule.alpha * (after - slow)
        return slow

    return around_torch(rule, parameter, gradients, change)


@pytest.mark.parametrize("settings", [{"k": 1}, {"k": 4, "alpha": 1.0}], ids=str)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, lookahead, inner=sgd(lr=0.1, momentum=0.5), **settings)


def test_with_alpha_one_it_is_the_inner_rule():
    ends = []
    for rule in (adam(lr=0.1), lookahead(inner=adam(lr=0.1), k=2, alpha=1.0)):
        network = linear(3, 2).build(dtype=torch.float64)
        updater = rule.attach(network)
        for t in range(6):
            network.flat.grad.copy_(torch.arange(8.0).sub(t))
            updater.step()
        ends.append(network.flat.data)
    assert torch.allclose(*ends, rtol=0, atol=1e-15)


def test_k_of_zero_is_refused():
    with pytest.raises(HyperparameterError, match=r"^lookahead: k must be at least 1, got 0"):
        lookahead(inner=sgd(), k=0)
