import numpy as np
import pytest

from chainrule.layers import linear
from chainrule.optimizers import prodigy
from tests.oracles import assert_follows, assert_moves_as_one_vector, by_array_formula, running_mean


def reference(rule, parameter, gradients):
    start, (beta1, beta2) = parameter.numpy(), rule.betas
    ds, scaled, products, terms = [rule.d0], [], [], []

    def formula(theta, g, memory, t):
        d = ds[-1]
        scaled.append(d * g)
        products.append(rule.lr * d**2 * (g * (start - theta)).sum())
        terms.append(rule.lr * d**2 * g)
        m, v = running_mean(beta1, scaled), running_mean(beta2, [each**2 for each in scaled])
        length = np.abs(running_mean(beta2**0.5, terms)).sum()
        ds.append(max(d, running_mean(beta2**0.5, products) / length) if length else d)
        return theta - rule.lr * d * (m / (np.sqrt(v) + d * rule.eps) + rule.weight_decay * theta)

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [{"betas": (0.0, 0.99)}, {"betas": (0.9, 0.0)}, {"d0": 0.1}, {"lr": 0.5, "eps": 1e-2}, {"weight_decay": 0.5}],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, prodigy, **{"d0": 1e-2, **settings})


@pytest.mark.parametrize("rule", prodigy.examples(), ids=repr)
def test_all_parameters_move_as_one_vector_with_one_d_that_grows(rule):
    d = assert_moves_as_one_vector(reference, rule)
    assert (d == d[0]).all()
    assert d[0] > 10 * rule.d0


def test_d_stays_while_all_gradients_are_0():
    network = linear(3, 2).build()
    updater = prodigy(d0=1e-3).attach(network)
    for _ in range(3):
        updater.step()
    assert updater.state_dict()["state"]["weight"]["d"].item() == pytest.approx(1e-3)
