"""The optimizer prodigy passes the conformance kit and follows its formula over a whole network."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from chainrule import Network, Optimizer, Updater, param_groups
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.testing import parametrize_checks
from torch import Tensor

from chainrule_prodigy import Prodigy

Numbers = list[float]
X, Y = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def path(rule: Prodigy, start: Numbers, gradient: Callable[[int, Numbers], Numbers], steps: int) -> list[Numbers]:
    """Return the vector after each step, by sums over all earlier steps instead of running sums.

    Assumes that lr is a number and that there is no schedule.
    """
    assert isinstance(rule.lr, float)
    beta1, beta2 = rule.betas
    beta3, everywhere = math.sqrt(beta2), range(len(start))
    theta, ds, scaled, products, passed = start, [rule.d0], [], [], []
    for t in range(1, steps + 1):
        d, g = ds[-1], gradient(t, theta)
        scaled.append([d * each for each in g])
        products.append(rule.lr * d**2 * math.fsum(g[i] * (start[i] - theta[i]) for i in everywhere))
        ages = range(t - 1, -1, -1)
        r = math.fsum(beta3**age * product for age, product in zip(ages, products, strict=True))
        s = [
            math.fsum(beta3**age * rule.lr * ds[t - 1 - age] * scaled[t - 1 - age][i] for age in ages)
            for i in everywhere
        ]
        after = []
        for i in everywhere:
            m = (1 - beta1) * math.fsum(beta1**age * scaled[t - 1 - age][i] for age in ages)
            v = (1 - beta2) * math.fsum(beta2**age * scaled[t - 1 - age][i] ** 2 for age in ages)
            after.append(theta[i] - rule.lr * d * (m / (math.sqrt(v) + d * rule.eps) + rule.weight_decay * theta[i]))
        length = math.fsum(map(abs, s))
        ds.append(max(d, r / length) if length else d)
        theta = after
        passed.append(theta)
    return passed


def formula(rule: Prodigy, parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the parameter after each step, for a network with a single parameter."""
    numbers = [gradient.flatten().tolist() for gradient in gradients]
    passed = path(rule, parameter.flatten().tolist(), lambda t, _: numbers[t - 1], len(numbers))
    return [torch.tensor(after, dtype=torch.float64).view(parameter.shape) for after in passed]


@parametrize_checks("optimizers:prodigy", reference=formula)
def test_prodigy(check: Callable[[], None]) -> None:
    check()


def curvature(i: int) -> float:
    """Return the curvature along coordinate i of a quadratic bowl with its minimum at 1."""
    return 0.5 + i % 3


def in_the_bowl(network: Network, updater: Updater, steps: int) -> list[Numbers]:
    """Return all parameters as one vector after each step in the bowl."""
    curvatures = torch.tensor([curvature(i) for i in range(len(network.flat.data))], dtype=torch.float64)
    passed = []
    for _ in range(steps):
        network.flat.grad.copy_(curvatures * (network.flat.data - 1))
        updater.step()
        passed.append(network.flat.data.tolist())
    return passed


def distances(updater: Updater) -> list[Tensor]:
    """Return the d in each parameter's state."""
    return [state["d"] for state in updater.state_dict()["state"].values()]


@pytest.mark.parametrize("rule", Prodigy.examples())
def test_several_parameters_move_as_one_vector(rule: Prodigy) -> None:
    network = sequential(linear(3, 5), tanh(), linear(5, 2)).build(dtype=torch.float64)
    start, updater = network.flat.data.tolist(), rule.attach(network)
    found = in_the_bowl(network, updater, 60)
    expected = path(rule, start, lambda _, theta: [curvature(i) * (x - 1) for i, x in enumerate(theta)], 60)
    assert found == [pytest.approx(after, rel=1e-9, abs=1e-12) for after in expected]
    assert distances(updater)[0] > 10 * rule.d0  # the estimate has grown


def test_groups_estimate_their_own_d() -> None:
    networks = [sequential(linear(3, 5), tanh(), linear(5, 2)).build(dtype=torch.float64) for _ in range(2)]
    together = Prodigy(d0=1e-3).attach(networks[0])
    apart = param_groups({"0.*": Prodigy(d0=1e-3), "*": Prodigy(d0=1e-3)}).attach(networks[1])
    assert in_the_bowl(networks[0], together, 60) != in_the_bowl(networks[1], apart, 60)
    assert len(set(map(float, distances(together)))) == 1
    assert len(set(map(float, distances(apart)))) == 2


def train(rule: Optimizer, seeds: list[int]) -> tuple[Network, Updater]:
    """Return a network trained for 60 steps on random data, and its updater."""
    network = sequential(linear(3, 5), tanh(), linear(5, 3)).build(seeds=seeds, dtype=torch.float64)
    updater, loss = rule.attach(network), mse(members=True)
    for _ in range(60):
        loss(network(X), Y)
        network.zero_grad()
        network.backward(loss.backward())
        updater.step()
    return network, updater


def test_an_ensemble_equals_separate_runs() -> None:
    rates = [0.5, 1.0, 2.0]
    ensemble, updater = train(Prodigy(lr=torch.tensor(rates), d0=1e-4), [4, 5, 6])
    found = distances(updater)[0]
    assert len(set(found.tolist())) == 3
    for i, (seed, rate) in enumerate(zip([4, 5, 6], rates, strict=True)):
        single, alone = train(Prodigy(lr=rate, d0=1e-4), [seed])
        for name, values in single.state_dict().items():
            torch.testing.assert_close(ensemble.state_dict()[name][i], values[0], rtol=0, atol=1e-9)
        assert found[i].item() == pytest.approx(distances(alone)[0].item())


def test_the_estimate_never_decreases() -> None:
    network = linear(3, 2).build(dtype=torch.float64)
    updater, passed = Prodigy(d0=1e-3).attach(network), []
    for _ in range(200):
        in_the_bowl(network, updater, 1)
        passed.append(distances(updater)[0].item())
    assert passed == sorted(passed)
    assert passed[-1] > 0.01
