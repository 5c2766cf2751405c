import numpy as np
import pytest
import torch

from chainrule.optimizers import came
from tests.oracles import assert_follows, by_array_formula


def reference(rule, parameter, gradients):
    beta1, beta2, beta3 = rule.betas

    def factored(memory, names, x, beta):
        row, column = names
        memory[row] = beta * memory.get(row, 0.0) + (1 - beta) * x.sum(-1, keepdims=True)
        memory[column] = beta * memory.get(column, 0.0) + (1 - beta) * x.sum(-2, keepdims=True)
        return memory[row] * memory[column] / memory[row].sum(-2, keepdims=True)

    def formula(theta, g, memory, t):
        square = g**2 + rule.eps[0]
        if g.ndim < 2:
            v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * square
        else:
            v = factored(memory, "rc", square, beta2)
        u = g / np.sqrt(v)
        u = u / max(1.0, np.sqrt(np.mean(u**2)) / rule.clip_threshold)
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * u
        s = 1.0 if g.ndim < 2 else factored(memory, "RC", (u - m) ** 2 + rule.eps[1], beta3)
        return theta - rule.lr * (m / np.sqrt(s) + rule.weight_decay * theta)

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [{"betas": (0.0, 0.9, 0.99)}, {"betas": (0.9, 0.0, 0.0)}, {"clip_threshold": 100.0}, {"eps": (1e-2, 1e-3)}],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, came, lr=0.1, **settings)


def test_a_step_is_smaller_where_momentum_and_update_disagree():
    """Rows of one size, of which the second turns its sign at every step."""
    rule, parameter = came(betas=(0.9, 0.9, 0.9), clip_threshold=1e6), torch.zeros(2, 3, dtype=torch.float64)
    state = rule.init(parameter)
    for t in range(1, 41):
        grad = torch.ones_like(parameter)
        grad[1] *= (-1) ** t
        size = rule.update(parameter, grad, state, None).abs() / state["m"].abs()
    assert (size[0] > 2 * size[1]).all()
