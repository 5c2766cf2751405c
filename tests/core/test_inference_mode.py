"""Nothing needs autograd: all works in torch's inference mode, and what lasts can be used outside of it."""

import copy
import pickle

import pytest
import torch

from chainrule import fit
from chainrule.activations import tanh
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(23, 4, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(3, (23,), generator=GENERATOR)
SETTINGS = [{"seed": 1}, {"seeds": [0, 1, 2]}]


def build(**settings):
    return sequential(linear(4, 5), tanh(), linear(5, 3)).build(dtype=torch.float64, **settings)


def loop(network, updater):
    loss = cross_entropy(members=network.is_ensemble)
    for start in range(0, 20, 5):
        loss(network(X[start : start + 5]), Y[start : start + 5])
        network.zero_grad()
        network.backward(loss.backward())
        updater.step()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_manual_loop_gives_the_same_bits(settings):
    plain = build(**settings)
    outside = adam().attach(plain, clip_norm=0.1)
    loop(plain, outside)
    with torch.inference_mode():
        inferred = build(**settings)
        inside = adam().attach(inferred, clip_norm=0.1)
        loop(inferred, inside)
    assert torch.equal(plain.flat.data, inferred.flat.data)
    loop(plain, outside)
    loop(inferred, inside)  # fails if a buffer or a state was made in inference mode
    assert torch.equal(plain.flat.data, inferred.flat.data)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("validation", [None, (X[:7], Y[:7])])
def test_fit_gives_the_same_bits(settings, validation):
    plain, inferred = build(**settings), build(**settings)
    run = {"train": (X, Y), "validation": validation, "epochs": 3, "batch_size": 5, "clip_norm": 0.1}
    first = fit(plain, cross_entropy(), adam(), **run)
    with torch.inference_mode():
        second = fit(inferred, cross_entropy(), adam(), **run)
    assert torch.equal(plain.flat.data, inferred.flat.data)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "take",
    [copy.deepcopy, lambda network: network.member(0), lambda network: pickle.loads(pickle.dumps(network))],  # noqa: S301
    ids=["a copy", "a member", "what was saved"],
)
@pytest.mark.parametrize("part", [tanh, lambda: batch_norm(4), lambda: dropout(0.1)], ids=["none", "buffers", "draws"])
def test_copies_made_in_it_can_be_trained_outside_of_it(take, part):
    network = sequential(part(), linear(4, 3)).build(seeds=[0, 1], dtype=torch.float64)
    with torch.inference_mode():
        taken = take(network)
    loop(taken, adam().attach(taken))
