"""The optimizer dog passes the conformance kit and follows its formula over a whole network."""

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

from chainrule_dog import Dog

Numbers = list[float]
X, Y = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def path(rule: Dog, start: Numbers, gradient: Callable[[int, Numbers], Numbers], steps: int) -> list[Numbers]:
    """Return the vector after each step, by the norms of all earlier distances and gradients.

    Assumes that lr is a number and that there is no schedule.
    """
    assert isinstance(rule.lr, float)
    positions, gradients = [start], []
    for t in range(1, steps + 1):
        gradients.append(gradient(t, positions[-1]))
        distances = [math.dist(start, position) for position in positions]
        farthest = max(rule.reps_rel * (1 + math.hypot(*start)), *distances)
        squares = math.fsum(math.hypot(*g) ** 2 for g in gradients)
        rate = rule.lr * farthest / math.sqrt(squares + rule.eps)
        positions.append([theta - rate * g for theta, g in zip(positions[-1], gradients[-1], strict=True)])
    return positions[1:]


def formula(rule: Dog, parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the parameter after each step, for a network with a single parameter."""
    numbers = [gradient.flatten().tolist() for gradient in gradients]
    passed = path(rule, parameter.flatten().tolist(), lambda t, _: numbers[t - 1], len(numbers))
    return [torch.tensor(after, dtype=torch.float64).view(parameter.shape) for after in passed]


@parametrize_checks("optimizers:dog", reference=formula)
def test_dog(check: Callable[[], None]) -> None:
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
    """Return the r in each parameter's state."""
    return [state["r"] for state in updater.state_dict()["state"].values()]


@pytest.mark.parametrize("rule", Dog.examples())
def test_several_parameters_move_as_one_vector(rule: Dog) -> None:
    network = sequential(linear(3, 5), tanh(), linear(5, 2)).build(dtype=torch.float64)
    start, updater = network.flat.data.tolist(), rule.attach(network)
    found = in_the_bowl(network, updater, 60)
    expected = path(rule, start, lambda _, theta: [curvature(i) * (x - 1) for i, x in enumerate(theta)], 60)
    assert found == [pytest.approx(after, rel=1e-9, abs=1e-12) for after in expected]
    assert distances(updater)[0] > 10 * rule.reps_rel * (1 + math.hypot(*start))  # it has grown


def test_groups_have_distances_of_their_own() -> None:
    networks = [sequential(linear(3, 5), tanh(), linear(5, 2)).build(dtype=torch.float64) for _ in range(2)]
    together = Dog(reps_rel=1e-3).attach(networks[0])
    apart = param_groups({"0.*": Dog(reps_rel=1e-3), "*": Dog(reps_rel=1e-3)}).attach(networks[1])
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
    ensemble, updater = train(Dog(lr=torch.tensor(rates), reps_rel=1e-4), [4, 5, 6])
    found = distances(updater)[0]
    assert len(set(found.tolist())) == 3
    for i, (seed, rate) in enumerate(zip([4, 5, 6], rates, strict=True)):
        single, alone = train(Dog(lr=rate, reps_rel=1e-4), [seed])
        for name, values in single.state_dict().items():
            torch.testing.assert_close(ensemble.state_dict()[name][i], values[0], rtol=0, atol=1e-9)
        assert found[i].item() == pytest.approx(distances(alone)[0].item())


def test_the_distance_never_decreases_and_comes_near_that_of_the_minimum() -> None:
    network = linear(3, 2).build(dtype=torch.float64)
    far = (network.flat.data - 1).norm().item()
    updater, passed = Dog(reps_rel=1e-3).attach(network), []
    for _ in range(400):
        in_the_bowl(network, updater, 1)
        passed.append(distances(updater)[0].item())
    assert passed == sorted(passed)
    assert 0.5 * far < passed[-1] < 2 * far
