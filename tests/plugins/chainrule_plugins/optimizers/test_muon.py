import numpy as np
import pytest
import torch
from torch.testing import assert_close

from chainrule.layers import conv2d, embedding, layer_norm, linear, sequential
from chainrule.optimizers import adamw, muon
from chainrule.testing.optimizers.trials import draw_gradients, weights
from tests.oracles import assert_follows, by_array_formula, by_torch


def polar(matrix, steps, coefficients, eps):
    """Return what Newton-Schulz iterations make of a matrix, by the same polynomial of its singular values."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    s = s / max(np.sqrt((matrix**2).sum()), eps)
    for _ in range(steps):
        s = sum(coefficient * s**power for coefficient, power in zip(coefficients, (1, 3, 5), strict=True))
    return u * s @ vt


def reference(rule, parameter, gradients):
    def formula(theta, g, memory, t):
        m = memory["m"] = rule.momentum * memory.get("m", 0.0) + (1 - rule.momentum) * g
        d = rule.momentum * m + (1 - rule.momentum) * g if rule.nesterov else m
        d = d.reshape(len(d), -1)
        rows, columns = d.shape
        scales = {"original": max(1, rows / columns) ** 0.5, "match_rms_adamw": 0.2 * max(rows, columns) ** 0.5}
        step = scales[rule.scaling] * polar(d, rule.ns_steps, rule.ns_coefficients, rule.eps).reshape(theta.shape)
        return theta - rule.lr * (step + rule.weight_decay * theta)

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0.0},
        {"nesterov": False},
        {"scaling": "match_rms_adamw"},
        {"weight_decay": 0.5},
        {"ns_coefficients": (2.0, -1.5, 0.5)},
        {"ns_steps": 1},
        {"eps": 10.0},
    ],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, muon, **settings)


SETTINGS = {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (1, 4)], ids=str)
@pytest.mark.parametrize(
    "more", [{}, {"nesterov": False, "ns_steps": 3, "eps": 5.0}, {"scaling": "match_rms_adamw"}], ids=str
)
def test_a_hundred_steps_are_those_of_torch(more, shape, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())  # so that torch keeps the digits
    rule = muon(**SETTINGS, **more)
    network = weights(rule, {"w": shape})
    start, updater, gradients, found = network.flat.data.view(shape).clone(), rule.attach(network), [], []
    for t in range(1, 101):
        draw_gradients(network, t)
        gradients.append(network.flat.grad.view(shape).clone())
        updater.step()
        found.append(network.flat.data.view(shape).clone())
    theirs = {**SETTINGS, **more, "adjust_lr_fn": rule.scaling}
    theirs.pop("scaling", None)
    assert_close(found, by_torch(torch.optim.Muon, theirs, start, gradients), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("bfloat16", "least", "most"), [(True, 0.0, 1e-6), (False, 1e-3, 5e-2)])
def test_bfloat16_rounds_as_torch_does(bfloat16, least, most):
    rule = muon(bfloat16=bfloat16)
    network = weights(rule, {"w": (8, 6)}, dtype=torch.float32)
    network.flat.data.zero_()
    draw_gradients(network, 1)
    rule.attach(network).step()
    (expected,) = by_torch(
        torch.optim.Muon, {"lr": rule.lr, "weight_decay": 0.0}, torch.zeros(8, 6), [network.flat.grad.view(8, 6)]
    )
    distance = (network.flat.data.view(8, 6) - expected).abs().max().item() / rule.lr
    assert least <= distance <= most


def test_all_singular_values_of_a_step_are_near_one():
    network = linear(20, 30, bias=False).build()
    before = network.flat.data.clone()
    network.flat.grad.copy_(torch.randn(600, generator=torch.Generator().manual_seed(0)))
    muon(lr=1.0).attach(network).step()
    values = torch.linalg.svdvals((before - network.flat.data).view(30, 20)) / (30 / 20) ** 0.5
    assert 0.6 < values.min() <= values.max() < 1.3


def test_with_adamw_leaves_to_adamw_what_is_no_weight():
    layers = [embedding(5, 4), layer_norm(4), linear(4, 3), linear(3, 2)]
    network = sequential(*layers).build()
    updater = muon(lr=0.1).with_adamw("3.*", lr=0.2, betas=(0.8, 0.9)).attach(network)
    kinds = {name: rule for name, rule in updater.state_dict()["rules"].items() if rule == "muon"}
    assert list(kinds) == ["2.weight"]
    assert updater.groups["weights"] == muon(lr=0.1)
    assert updater.groups["*"] == updater.groups["3.*"] == adamw(lr=0.2, betas=(0.8, 0.9))


def test_with_adamw_takes_kernels_too():
    network = sequential(conv2d(1, 2, 3), conv2d(2, 1, 3)).build()
    rules = muon().with_adamw().attach(network).state_dict()["rules"]
    assert {name: rule for name, rule in rules.items() if rule == "muon"} == {"0.weight": "muon", "1.weight": "muon"}
