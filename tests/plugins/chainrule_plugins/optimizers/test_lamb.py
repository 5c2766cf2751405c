import numpy as np
import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import lamb
from tests.oracles import assert_follows, by_array_formula


def reference(rule, parameter, gradients):
    beta1, beta2 = rule.betas

    def formula(theta, g, memory, t):
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
        v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * g**2
        r = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + rule.eps) + rule.weight_decay * theta
        length, own = np.sqrt((theta**2).sum()), np.sqrt((r**2).sum())
        return theta - rule.lr * (length / own if length and own else 1.0) * r

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.999)}, {"betas": (0.9, 0.0)}, {"eps": 1e-2}, {"weight_decay": 0.0}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, lamb, lr=0.1, **settings)


@pytest.mark.parametrize(("weight", "grad", "moved"), [(0.0, 2.0, -1.0), (3.0, 0.0, 3.0), (0.0, 0.0, 0.0)])
def test_norms_of_zero_give_a_finite_step(weight, grad, moved):
    network = linear(1, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.fill_(weight)
    network.flat.grad.fill_(grad)
    lamb(lr=1.0, weight_decay=0.0).attach(network).step()
    assert network.flat.data.item() == pytest.approx(moved, rel=1e-5)
