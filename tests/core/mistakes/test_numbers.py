"""Integers, truth values and lists of numbers of numpy and torch are taken as Python's; what is none is refused."""

import numpy as np
import pytest
import torch

import chainrule
from chainrule import Buffer, ChainruleError, Parameter
from chainrule.initializers import uniform
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import adam, sgd

X, Y = torch.randn(10, 2), torch.randn(10, 1)
SEVERAL = linear(2, 1).build(seeds=[0, 1])


@pytest.mark.parametrize(
    "seeds",
    [np.arange(3), torch.arange(3), (np.int64(0), torch.tensor(1), 2), range(3), iter([0, 1, 2])],
    ids=lambda s: type(s).__name__,
)
def test_seeds_become_python_integers(seeds):
    network = linear(2, 1).build(seeds=seeds)
    assert network.seeds == [0, 1, 2]
    assert {type(seed) for seed in network.seeds} == {int}
    assert torch.equal(network.flat.data, linear(2, 1).build(seeds=[0, 1, 2]).flat.data)


def test_sizes_become_python_integers():
    layer = linear(np.int64(2), torch.tensor(1), bias=np.bool_(False))
    assert repr(layer) == "Linear(in_features=2, out_features=1, bias=False)"
    assert Buffer(np.int32(3)).shape == Parameter(np.int64(3), init=uniform(), fan_in=np.int64(2), fan_out=2).shape


def test_epochs_batch_size_and_clip_norm_become_python_numbers():
    settings = {
        "epochs": np.int64(2),
        "batch_size": torch.tensor(4),
        "clip_norm": np.float32(1),
        "compile": np.bool_(0),
    }
    history = chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y), **settings)
    assert (history.epochs, history.updater.t) == (2, 6)
    assert type(history.updater.clip_norm) is float


@pytest.mark.parametrize("lr", [[0.1, 0.01], (0.1, 0.01), np.array([0.1, 0.01])], ids=type)
def test_a_sequence_of_learning_rates_is_one_for_each_member(lr):
    assert torch.equal(adam(lr=lr).lr, torch.tensor([0.1, 0.01], dtype=torch.float64))
    updater = sgd(lr=0.5).attach(SEVERAL)
    updater.set_lr(lr)
    assert torch.equal(updater.groups["*"].lr, adam(lr=lr).lr)


def test_a_declared_tuple_may_be_a_list_an_array_or_hold_one_for_each_member():
    assert adam(betas=[0.9, 0.99]).betas == adam(betas=np.array([0.9, 0.99])).betas == (0.9, 0.99)
    beta1, beta2 = adam(betas=[[0.9, 0.8], 0.99]).betas
    assert (beta1.tolist(), beta2) == ([0.9, 0.8], 0.99)


@pytest.mark.parametrize("factor", [np.float32(0.5), torch.tensor(0.5), np.array([0.5, 0.5]), [0.5, 0.5]], ids=type)
def test_a_schedule_may_return_numbers_of_numpy_and_torch(factor):
    networks = [linear(2, 1).build(seeds=[0, 1]) for _ in range(2)]
    for network, value in zip(networks, (factor, 0.5), strict=True):
        network.flat.grad.fill_(1)
        sgd(lr=0.1, schedule=lambda t, value=value: value).attach(network).step()
    torch.testing.assert_close(networks[0].flat.data, networks[1].flat.data)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: linear(2, 1).build(seed=True), "build: a seed must be an integer of at least 0, got True."),
        (lambda: linear(2, 1).build(seed=np.True_), "build: a seed must be an integer of at least 0, got np.True_."),
        (
            lambda: linear(2, 1).build(seed=torch.tensor(True)),
            "build: a seed must be an integer of at least 0, got tens",
        ),
        (
            lambda: linear(2, 1).build(seeds=torch.tensor(5)),
            "build: seeds must be a sequence of integers, one for each",
        ),
        (lambda: linear(2, 1).build(seeds=np.zeros((2, 2), int)), "got a numpy array (2, 2). Pass seeds=range(10)"),
        (lambda: linear(2, 1).build(seed=1, seeds=5), "build: seeds must stand alone, got 5 with seed=1"),
        (lambda: linear(2.0, 1), "linear: in_features must be an integer of at least 1, got 2.0."),
        (lambda: linear(X, 1), "linear: in_features must be an integer of at least 1, got a tensor (10, 2)."),
        (lambda: linear(2, 1, bias="no"), "linear: bias must be True or False, got 'no'."),
        (lambda: Parameter((2, 3), init=uniform(), fan_in=1, fan_out=1), "got (2, 3). Write Parameter(*shape)."),
        (lambda: mse(members=3), "mse: members must be True or False, got 3."),
        (lambda: SEVERAL.member(1.0), "network: member must be an integer, got 1.0."),
        (lambda: SEVERAL.member(True), "network: member must be an integer, got True."),
        (lambda: SEVERAL.train("no"), "train: mode must be True or False, got 'no'."),
        (lambda: sgd().attach(SEVERAL, clip_norm="a"), "attach: clip_norm must be a number above 0, got 'a'."),
        (
            lambda: sgd().attach(SEVERAL, clip_norm=[1.0, 2.0]),
            "attach: clip_norm must be a number above 0, got [1.0, 2.0].",
        ),
        (lambda: adam(lr=lambda t: 0.1), "adam: lr must be a number, got a lambda. A factor that changes by the step"),
        (
            lambda: adam(lr=[]),
            "adam: lr must be a number or one for each member, (M,), got torch.float64 of shape (0,).",
        ),
        (lambda: adam(lr=torch.tensor(0.1, device="meta")), "adam: lr must be a number or one for each member, (M,)"),
        (lambda: adam(schedule=lambda: 1.0), "adam: schedule must be a callable t -> factor"),
        (lambda: chainrule.random_stream(1.5, "init"), "random_stream: seed must be an integer, got 1.5."),
    ],
)
def test_what_is_no_such_number_is_refused_in_one_line(mistake, words):
    with pytest.raises(ChainruleError) as caught:
        mistake()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
