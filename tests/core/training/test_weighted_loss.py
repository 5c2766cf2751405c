"""A third party's loss with class weights and an ignored index trains and is averaged exactly."""

import pytest
import torch
from torch.testing import assert_close

from chainrule import ShapeError, evaluate, fit
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.optimizers import adam, sgd
from tests.contracts.correct_modules import WeightedCrossEntropy
from tests.oracles import assert_loss_equals

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(23, 4, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(3, (23,), generator=GENERATOR)
Y[[0, 1, 2, 3, 4, 11, 16]] = -1  # all of the first batch of five, and some of others
WEIGHT = torch.tensor([0.5, 3.0, 1.25], dtype=torch.float64)
SETTINGS = {"weight": tuple(WEIGHT.tolist()), "ignore_index": -1}
BATCHES = [(X[i : i + 5], Y[i : i + 5]) for i in range(0, 23, 5)]


def build(**settings):
    return sequential(linear(4, 5), tanh(), linear(5, 3)).build(dtype=torch.float64, **settings)


def by_torch(logits, target, **settings):
    return torch.nn.functional.cross_entropy(logits, target, weight=WEIGHT, ignore_index=-1, **settings)


@pytest.mark.parametrize("shape", [(23,), (23, 6)])
def test_it_and_its_gradient_equal_torch(shape):
    logits = torch.randn(*shape, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target = Y if shape == (23,) else torch.stack([Y.roll(i) for i in range(6)], 1)

    def function(leaf, target, *, reduction, **_):
        return by_torch(leaf.movedim(-1, 1), target, reduction=reduction)

    assert_loss_equals(WeightedCrossEntropy, function, logits, target, **SETTINGS)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("per_member", [False, True])
def test_an_evaluation_in_batches_divides_by_the_denominator_of_the_whole_split(reduction, per_member, monkeypatch):
    monkeypatch.setattr("chainrule.training.evaluation.CACHED_ELEMENTS", 2 * 5 * 5)  # five rows at a time
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    network = build(seeds=[0, 1])
    x, y = (torch.stack([X, X.flip(0)]), torch.stack([Y, Y.roll(1)])) if per_member else (X, Y)
    found = evaluate(network, WeightedCrossEntropy(reduction, **SETTINGS), (x, y), per_member=per_member)
    targets = y if per_member else [y, y]
    outputs = network(x, per_member=per_member)
    assert_close(found["loss"], torch.stack([by_torch(*pair) for pair in zip(outputs, targets, strict=True)]))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_means_over_the_steps_of_an_epoch_divide_alike(reduction):
    network = build(seed=0)
    history = fit(network, WeightedCrossEntropy(reduction, **SETTINGS), sgd(lr=0.0), train=BATCHES)
    assert_close(history["train_loss"][0], by_torch(network(X), Y))


def test_it_takes_the_steps_that_a_loop_in_torch_takes():
    network, theirs = build(seed=0), torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    theirs.double().load_state_dict(network.state_dict())
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.5)
    for x, y in BATCHES * 3:
        optimizer.zero_grad()
        if (y != -1).any():  # torch's mean over no row is NaN; here that batch has a gradient of 0
            by_torch(theirs(x), y).backward()
        optimizer.step()
    fit(network, WeightedCrossEntropy(**SETTINGS), sgd(lr=0.5), train=BATCHES, epochs=3)
    assert_close(network.state_dict(), dict(theirs.state_dict()), rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("seeds", [{"seed": 3}, {"seeds": [3, 4, 5]}], ids=str)
def test_a_compiled_fit_follows_the_eager_one(seeds):
    networks, histories = [build(**seeds), build(**seeds)], []
    for network, compiled in zip(networks, (False, True), strict=True):
        loss = WeightedCrossEntropy(**SETTINGS)
        run = {"train": BATCHES, "validation": (X, Y), "epochs": 4}
        histories.append(fit(network, loss, adam(lr=0.05), compile=compiled, **run))
    assert_close(networks[1].flat.data, networks[0].flat.data, rtol=1e-9, atol=1e-9)
    assert_close(dict(histories[1]), dict(histories[0]), rtol=1e-9, atol=1e-9)


def test_a_split_in_which_a_member_counts_no_row_is_refused():
    y = torch.stack([Y, torch.full_like(Y, -1)])
    with pytest.raises(ShapeError) as caught:
        evaluate(build(seeds=[0, 1]), WeightedCrossEntropy(**SETTINGS), (X.expand(2, 23, 4), y), per_member=True)
    assert str(caught.value) == (
        "loss: a mean over all rows needs a denominator other than 0 for each member, got "
        f"{[WEIGHT[Y[Y >= 0]].sum().item(), 0.0]}. Leave out data in which no row counts."
    )
