import math

import pytest
import torch

from chainrule.base.random_numbers import StepRandom, random_key
from chainrule.optimizers import sgld
from chainrule.testing.optimizers.trials import Weights
from tests.oracles import assert_follows


def reference(rule, parameter, gradients):
    """Return the positions with the noise that the parameter w of the network with seed 0 gets."""
    theta, passed, key = parameter.clone(), [], torch.tensor(random_key(0, "update/w")).unsqueeze(1)
    for t, gradient in enumerate(gradients, start=1):
        noise = StepRandom(key, t, torch.float64).normal(theta.shape)
        step = rule.lr * (gradient + rule.weight_decay * theta)
        theta = theta - step + math.sqrt(2 * rule.lr * rule.temperature) * noise
        passed.append(theta)
    return passed


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": 3.0}, {"weight_decay": 0.5}], ids=str)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, sgld, **{"lr": 0.1, "temperature": 0.01, **settings})


@pytest.mark.parametrize(
    ("lr", "temperature", "curvature", "prior"), [(0.05, 1.0, 2.0, 0.0), (0.2, 0.01, 0.3, 0.2), (1e-3, 4.0, 50.0, 0.0)]
)
def test_a_quadratic_is_sampled_with_its_variance(lr, temperature, curvature, prior):
    """40,000 walks on ½ k θ² reach T / (k (1 − lr k / 2)), of which a sample's variance is within 3.5 % at 5 σ."""
    network = Weights({"w": (200, 200)}).build(dtype=torch.float64)
    network.flat.data.zero_()
    updater = sgld(lr=lr, temperature=temperature, weight_decay=prior).attach(network)
    k = curvature + prior
    for _ in range(math.ceil(6 / (lr * k))):  # e⁻¹² of the start's variance remain
        network.flat.grad.copy_(curvature * network.flat.data)
        updater.step()
    found = network.flat.data.square().mean().item()
    assert found == pytest.approx(temperature / (k * (1 - lr * k / 2)), rel=0.035)
    assert abs(network.flat.data.mean().item()) < 5 * math.sqrt(found / 40_000)


def test_the_noise_of_two_parameters_and_two_steps_is_independent():
    network = Weights({"a": (100, 100), "b": (100, 100)}).build(dtype=torch.float64)
    updater, drawn = sgld(temperature=0.5, lr=1.0).attach(network), []
    for _ in range(2):
        before = network.flat.data.clone()
        network.zero_grad()
        updater.step()
        drawn += (network.flat.data - before).chunk(2)
    assert torch.corrcoef(torch.stack(drawn)).sub(torch.eye(4)).abs().max() < 0.05  # 5 σ
