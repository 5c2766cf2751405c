"""The same hundred steps by a rule, by torch's optimizer, and by a formula, so that a test can compare them."""

import pytest
import torch

from chainrule.layers import linear

STEPS = 100
NOISE = torch.randn(STEPS, 15, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
START = torch.randn(15, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def gradient(t, theta):
    """Return the gradient of a noisy quadratic; the first element's is always 0, the second's mostly."""
    grad = theta / 2 - 1 + NOISE[t - 1]
    grad[0] = 0
    grad[1] *= t % 7 == 0
    return grad


@pytest.fixture
def trajectory():
    """Return the function that gives the positions (steps, 15) which a rule passes through."""

    def positions(rule):
        network = linear(4, 3).build(dtype=torch.float64)
        network.flat.data.copy_(START)
        updater, passed = rule.attach(network), []
        for t in range(1, STEPS + 1):
            network.flat.grad.copy_(gradient(t, network.flat.data))
            updater.step()
            passed.append(network.flat.data.clone())
        return torch.stack(passed)

    return positions


@pytest.fixture
def torch_trajectory():
    """Return the function that gives the positions of an optimizer of torch.optim."""

    def positions(cls, **settings):
        theta, passed = torch.nn.Parameter(START.clone()), []
        optimizer = cls([theta], **settings)
        for t in range(1, STEPS + 1):
            theta.grad = gradient(t, theta.detach())
            optimizer.step()
            passed.append(theta.detach().clone())
        return torch.stack(passed)

    return positions


@pytest.fixture
def formula_trajectory():
    """Return the function that gives the positions of a formula for one number, (theta, g, memory) -> theta."""

    def positions(formula):
        theta, passed = START.clone(), []
        memories = [{} for _ in theta]
        for t in range(1, STEPS + 1):
            numbers = zip(theta.tolist(), gradient(t, theta).tolist(), memories, strict=True)
            theta = torch.tensor([formula(*each) for each in numbers], dtype=torch.float64)
            passed.append(theta)
        return torch.stack(passed)

    return positions


@pytest.fixture
def assert_same():
    """Return the function that asserts that two trajectories agree to 1e-10."""

    def assert_same(found, expected):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)

    return assert_same
