import numpy as np
import pytest

from chainrule.layers import linear
from chainrule.optimizers import dadapt_adam
from tests.oracles import assert_follows, assert_moves_as_one_vector, by_array_formula, running_mean


def reference(rule, parameter, gradients):
    (beta1, beta2), root = rule.betas, rule.betas[1] ** 0.5
    ds, past, scaled, products = [rule.d0], [], [], []

    def formula(theta, g, memory, t):
        d = ds[-1]
        if past:
            denominator = np.sqrt(running_mean(beta2, [each**2 for each in past])) + rule.eps
            products.append(rule.lr * d * (g * running_mean(root, scaled) / denominator).sum())
        past.append(g)
        scaled.append(rule.lr * d * g)
        m, v = running_mean(beta1, scaled), running_mean(beta2, [each**2 for each in past])
        length = (1 - root) * np.abs(running_mean(root, scaled)).sum()
        ds.append(max(d, running_mean(root, products) / length) if length else d)
        return theta - m / (np.sqrt(v) + rule.eps) - rule.lr * d * rule.weight_decay * theta

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [{"betas": (0.0, 0.99)}, {"betas": (0.9, 0.0)}, {"d0": 0.1}, {"lr": 0.5, "eps": 1e-2}, {"weight_decay": 0.5}],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, dadapt_adam, **{"d0": 1e-2, **settings})


@pytest.mark.parametrize("rule", dadapt_adam.examples(), ids=repr)
def test_all_parameters_move_as_one_vector_with_one_d_that_grows(rule):
    d = assert_moves_as_one_vector(reference, rule)
    assert (d == d[0]).all()
    assert d[0] > 10 * rule.d0


def test_a_schedule_scales_what_enters_the_mean():
    network = linear(1, 1, bias=False).build()
    rule = dadapt_adam(betas=(0.5, 0.0), d0=1.0, schedule=lambda t: float(t == 1))
    updater, passed = rule.attach(network), [network.flat.data.item()]
    for _ in range(3):
        network.flat.grad.fill_(1.0)
        updater.step()
        passed.append(network.flat.data.item())
    assert np.diff(passed) == pytest.approx([-0.5, -0.25, -0.125])


def test_d_stays_while_all_gradients_are_0():
    network = linear(3, 2).build()
    updater = dadapt_adam(d0=1e-3).attach(network)
    for _ in range(3):
        updater.step()
    assert updater.state_dict()["state"]["weight"]["d"].item() == pytest.approx(1e-3)
