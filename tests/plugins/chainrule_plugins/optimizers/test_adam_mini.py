import numpy as np
import pytest
import torch

from chainrule.optimizers import adam_mini, adamw
from chainrule.testing.compare import expect_close
from chainrule.testing.optimizers.trials import positions, weights
from tests.oracles import assert_follows, by_array_formula


def reference(rule, parameter, gradients):
    beta1, beta2 = rule.betas

    def formula(theta, g, memory, t):
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
        blocks = [g] if g.ndim < 2 else list(g)
        old = memory.get("v", [0.0] * len(blocks))
        v = memory["v"] = [
            beta2 * one + (1 - beta2) * np.mean(block**2) for one, block in zip(old, blocks, strict=True)
        ]
        divisors = [np.sqrt(one / (1 - beta2**t)) + rule.eps for one in v]
        divisor = divisors[0] if g.ndim < 2 else np.stack([np.full(g.shape[1:], one) for one in divisors])
        return theta - rule.lr * (m / (1 - beta1**t) / divisor + rule.weight_decay * theta)

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.999)}, {"betas": (0.9, 0.0)}, {"weight_decay": 0.1}, {"eps": 1e-2}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adam_mini, lr=0.1, **settings)


def test_blocks_of_one_element_are_those_of_adamw():
    shapes = [(), (1,), (5, 1), (3, 1, 1)]
    ours, theirs = (positions(rule(weight_decay=0.1), weights(rule(), shapes)) for rule in (adam_mini, adamw))
    for name, values in theirs[-1].items():
        expect_close(name, ours[-1][name], values, tolerance=1e-12)


def test_a_matrix_keeps_a_number_per_row():
    assert adam_mini().init(torch.zeros(5, 3))["v"].shape == (5, 1)
