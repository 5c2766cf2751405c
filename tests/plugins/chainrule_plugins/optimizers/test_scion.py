import numpy as np
import pytest
import torch

from chainrule import param_groups
from chainrule.layers import linear, sequential
from chainrule.optimizers import scion
from tests.oracles import assert_follows, by_array_formula

from .test_muon import polar


def reference(rule, parameter, gradients):
    def steepest(m):
        if m.ndim < 2:
            return np.sign(m) if rule.norm == "sign" else m / np.sqrt((m**2).mean()) if m.any() else 0 * m
        matrix = m.reshape(len(m), -1)
        if rule.norm == "sign":
            return np.sign(m) / matrix.shape[1]
        x = polar(matrix, rule.ns_steps, (3.4445, -4.7750, 2.0315), 1e-7).reshape(m.shape)
        return x * np.sqrt(m.shape[0] / m.shape[1]) / np.prod(m.shape[2:])

    def formula(theta, g, memory, t):
        m = memory["m"] = rule.momentum * memory.get("m", 0.0) + (1 - rule.momentum) * g
        return theta - rule.lr * (rule.scale * steepest(m) + rule.weight_decay * theta)

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [{"momentum": 0.0}, {"norm": "sign"}, {"scale": 50.0}, {"weight_decay": 1.0}, {"ns_steps": 1}],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, scion, lr=0.01, **settings)


@pytest.mark.parametrize(("norm", "order"), [("spectral", 2), ("sign", torch.inf)])
def test_constrained_steps_stay_in_the_ball(norm, order):
    network = linear(4, 4, bias=False).build(dtype=torch.float64)
    weight, generator = network.flat.data.view(4, 4), torch.Generator().manual_seed(0)
    network.flat.data.mul_(100)
    updater = scion(lr=0.1, norm=norm, scale=3.0, weight_decay=1.0).attach(network)
    for _ in range(200):
        network.flat.grad.copy_(torch.randn(16, generator=generator, dtype=torch.float64))
        updater.step()
    length = weight.abs().max() * 4 if order == torch.inf else torch.linalg.matrix_norm(weight, 2)
    assert length <= 3.0 * 1.3  # Newton-Schulz leaves singular values up to 1.2


def test_the_docstrings_groups_train_a_network():
    network = sequential(linear(3, 4), linear(4, 2)).build()
    updater = param_groups({"1.*": scion(norm="sign", scale=64.0), "*": scion()}).attach(network)
    network.flat.grad.fill_(1.0)
    before = network.state_dict()
    updater.step()
    moved = {name: (before[name] - value).abs().max().item() for name, value in network.state_dict().items()}
    assert moved["1.weight"] == pytest.approx(1e-3 * 64 / 4, rel=1e-4)
    assert moved["1.bias"] == pytest.approx(1e-3 * 64, rel=1e-4)
    assert moved["0.bias"] == pytest.approx(1e-3, rel=1e-3)
