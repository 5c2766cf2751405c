import math
from functools import partial

import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import rmsprop

SETTINGS = [
    {"decay": 0.99},
    {"decay": 0.5},
    {"eps": 1e-2},
    {"momentum": 0.9},
    {"centered": True},
    {"centered": True, "momentum": 0.5, "decay": 0.8, "eps": 1e-3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_equals_torch(settings, trajectory, torch_trajectory, assert_same):
    theirs = {"alpha": 0.9, **{{"decay": "alpha"}.get(k, k): v for k, v in settings.items()}}
    assert_same(trajectory(rmsprop(lr=0.01, **settings)), torch_trajectory(torch.optim.RMSprop, lr=0.01, **theirs))


def formula(theta, g, memory, *, eps=1e-2, eps_inside=False, momentum=0.0, weight_decay=0.0, coupled=False):
    if coupled:
        g, weight_decay = g + weight_decay * theta, 0.0
    v = memory["v"] = 0.9 * memory.get("v", 0.0) + 0.1 * g * g
    d = g / math.sqrt(v + eps) if eps_inside else g / (math.sqrt(v) + eps)
    b = memory["b"] = momentum * memory.get("b", 0.0) + d
    return theta - 0.01 * (b + weight_decay * theta)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ({"eps_inside": True}, {}),
        ({"eps_inside": True, "momentum": 0.9}, {"momentum": 0.9}),
        ({"weight_decay": 0.1}, {"weight_decay": 0.1, "coupled": True}),
        ({"weight_decay": 0.1, "momentum": 0.9}, {"weight_decay": 0.1, "momentum": 0.9, "coupled": True}),
    ],
    ids=str,
)
def test_it_equals_the_formula_of_its_variant(right, wrong, trajectory, formula_trajectory, assert_same):
    found = trajectory(rmsprop(lr=0.01, eps=1e-2, **right))
    assert_same(found, formula_trajectory(partial(formula, **right)))
    with pytest.raises(AssertionError):
        assert_same(found, formula_trajectory(partial(formula, **wrong)))


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 3.7])
def test_centered_stays_finite_when_the_gradient_never_changes(size):
    network = linear(2, 2).build(dtype=torch.float64)
    updater = rmsprop(centered=True).attach(network)
    network.flat.grad.fill_(size)
    for _ in range(1000):
        updater.step()
    assert network.flat.data.isfinite().all()
