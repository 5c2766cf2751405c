import numpy as np
import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import lars
from tests.oracles import assert_follows, by_array_formula


def reference(rule, parameter, gradients):
    def formula(theta, g, memory, t):
        length, slope = np.sqrt((theta**2).sum()), np.sqrt((g**2).sum())
        denominator = slope + rule.weight_decay * length
        ratio = rule.trust_coefficient * length / denominator if length and denominator else 1.0
        b = rule.momentum * memory.get("b", 0.0) + ratio * (g + rule.weight_decay * theta)
        memory["b"] = b
        return theta - rule.lr * b

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"momentum": 0.0}, {"weight_decay": 0.5}, {"trust_coefficient": 0.1, "weight_decay": 0.01}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, lars, **settings)


@pytest.mark.parametrize(("weight", "grad", "moved"), [(0.0, 2.0, -2.0), (3.0, 0.0, 2.97), (0.0, 0.0, 0.0)])
def test_norms_of_zero_give_a_finite_step(weight, grad, moved):
    network = linear(1, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.fill_(weight)
    network.flat.grad.fill_(grad)
    lars(lr=1.0, trust_coefficient=0.01, weight_decay=0.5).attach(network).step()
    assert network.flat.data.item() == pytest.approx(moved)
