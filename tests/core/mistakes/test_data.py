"""Validation and evaluate take what train takes; data and tensors of another form are answered with the form."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import BatchSampler, DataLoader, TensorDataset

import chainrule
from chainrule import ShapeError, Splits
from chainrule.layers import linear
from chainrule.losses import cross_entropy, mse
from chainrule.metrics import accuracy
from chainrule.optimizers import sgd

X, Y = torch.randn(10, 2), torch.randn(10, 1)
ROWS = TensorDataset(X, Y)
SPARSE, META = Y.to_sparse(), Y.to("meta")
JAGGED = torch.nested.nested_tensor([X, X[1:]], layout=torch.jagged)
with warnings.catch_warnings(action="ignore"):  # this layout has no shape
    NESTED = torch.nested.nested_tensor([X, X[1:]])
LOGITS, CLASSES = torch.randn(10, 3), torch.randint(3, (10,))


def network(**settings):
    return linear(2, 1).build(**settings)


def fit(train=(X, Y), **settings):
    return chainrule.fit(network(), mse(), sgd(), train=train, **settings)


def step():
    return chainrule.training_step(network(), mse(), sgd())


@pytest.mark.parametrize(
    "batches",
    [DataLoader(ROWS, batch_size=4), [(X[:3], Y[:3]), (X[3:], Y[3:])], [X, Y], DataLoader(ROWS, batch_size=10)],
    ids=["loader", "list", "pair in a list", "whole"],
)
@pytest.mark.parametrize("settings", [{}, {"seeds": [0, 1]}], ids=["single", "ensemble"])
def test_evaluate_and_validation_take_batches(batches, settings):
    spread = {"spread": lambda prediction, target: (prediction - target).abs().mean((1, 2))}
    whole = chainrule.evaluate(network(**settings), mse(), (X, Y), metrics=spread)
    assert_close(chainrule.evaluate(network(**settings), mse(), batches, metrics=spread), whole)
    of = [
        chainrule.fit(network(**settings), mse(), sgd(), train=(X, Y), validation=data, epochs=2)["validation_loss"]
        for data in (batches, (X, Y))
    ]
    assert_close(of[0], of[1])


def test_a_generator_validates_one_epoch():
    assert fit(validation=((x, y) for x, y in [(X, Y)])).epochs == 1
    with pytest.raises(chainrule.ChainruleError, match=r"validation yielded no batch\. Pass a list or a DataLoader"):
        fit(validation=((x, y) for x, y in [(X, Y)]), epochs=2)


EVALUATED = partial(chainrule.evaluate, network(), mse())


@pytest.mark.parametrize("take", [fit, lambda data: fit(validation=data), EVALUATED], ids=["fit", "validation", "data"])
@pytest.mark.parametrize(
    ("data", "fix"),
    [
        (DataLoader(ROWS, batch_size=11, drop_last=True), "batch. Leave out drop_last, or lower batch_size."),
        (DataLoader(ROWS, batch_sampler=BatchSampler(range(10), 11, True)), "drop_last, or lower batch_size."),
        ([(X, Y, 0.5)], "Yield pairs (x, y)."),
        ([], "batch. Pass at least one pair (x, y)."),
        (list(ROWS), "or batch single rows with torch.utils.data.DataLoader(data, batch_size=32)."),
        ([(x, 1) for x in X], "Batch single rows with torch.utils.data.DataLoader(data, batch_size=32)."),
    ],
    ids=["dropped", "dropped by a sampler", "three parts", "empty", "rows", "rows with numbers"],
)
def test_data_without_batches_is_answered_with_how_to_batch_it(take, data, fix):
    with pytest.raises(chainrule.ChainruleError) as caught:
        take(data)
    assert str(caught.value).endswith(fix)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: fit(ROWS), "got a TensorDataset. Pass torch.utils.data.DataLoader(data, batch_size=32)."),
        (lambda: fit(validation=X), "fit: validation must be two tensors x and y, or batches of these, got a tensor"),
        (lambda: fit({"a": X, "b": Y}), "got a dict. Pass (data['a'], data['b'])."),
        (lambda: fit(None), "fit: train must be two tensors x and y, or batches of these, got None."),
        (lambda: fit((X.numpy(), Y.numpy())), "dtype=network.dtype), class indices with dtype=torch.int64."),
        (lambda: fit(Splits((X, Y), (X, Y), (X, Y))), "Pass one of its parts, such as data.train."),
        (lambda: fit((X, SPARSE)), "fit: y of train must be dense, got layout torch.sparse_coo."),
        (lambda: fit((X, META)), "fit: y of train must be on cpu, got a tensor on meta."),
        (lambda: network()(X.numpy()), "Pass one, as from torch.as_tensor(x, dtype=torch.float32)."),
        (lambda: network(seeds=[0, 1])(X.tolist()), "network: x must be a tensor, got [["),
        (lambda: network()(X.to("meta")), "network: x must be on cpu, got a tensor on meta."),
        (lambda: network()(X.to_sparse()), "network: x must be dense"),
        (lambda: network()(NESTED), "network: x must have rows of one shape, got a nested tensor. Pad it with"),
        (lambda: mse()(X, NESTED), "mse: target must have rows of one shape, got a nested tensor."),
        (lambda: step()(JAGGED, X[:2]), "network: x must have rows of one shape, got a nested tensor."),
        (lambda: step()(NESTED, X), "step: x must have rows of one shape, got a nested tensor."),
        (lambda: step()(X, NESTED), "step: y must have rows of one shape, got a nested tensor."),
        (lambda: network(seeds=[0])(torch.tensor(1.0), per_member=True), "network: per_member=True needs x (M, N, …)"),
        (lambda: mse()(X, X.numpy()), "mse: target must be a tensor, got a numpy array (10, 2)."),
        (lambda: mse()(network(), Y), "mse: prediction must be a tensor, got Network("),
        (lambda: mse()(Y, META), "mse: target must be on cpu, got a tensor on meta."),
        (lambda: mse()(Y > 0, Y > 0), "mse: prediction must have a floating dtype, got torch.bool."),
        (lambda: cross_entropy()(LOGITS.long(), CLASSES), "cross_entropy: prediction must have a floating dtype"),
        (lambda: accuracy()(Y, Y), "binary_accuracy takes one output and its target"),
        (lambda: step()(np.ones((3, 2)), Y), "network: x must be a tensor"),
    ],
)
def test_data_of_another_form_is_answered_with_the_form(mistake, words):
    with pytest.raises(ShapeError) as caught:
        mistake()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("grad_output", "words"),
    [
        (1.0, "network: grad_output must be a tensor, got 1.0."),
        (np.ones((10, 1)), "network: grad_output must be a tensor, got a numpy array (10, 1)."),
        (torch.ones(10, 1).double(), "network: grad_output must have dtype torch.float32, got torch.float64."),
        (torch.ones(10, 1).to_sparse(), "network: grad_output must be dense"),
    ],
    ids=["number", "array", "dtype", "sparse"],
)
def test_a_gradient_of_another_form_is_refused(grad_output, words):
    one = network()
    one(X)
    with pytest.raises(ShapeError) as caught:
        one.backward(grad_output)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values.numpy(), "network: weight must be a tensor of real numbers, got a numpy array (1, 2)."),
        (lambda values: values.to("meta"), "network: weight must be a tensor of real numbers"),
        (lambda values: values * 1j, "network: weight must be a tensor of real numbers"),
    ],
)
def test_a_state_of_other_values_is_refused(change, words):
    one = network()
    state = {name: change(values) for name, values in one.state_dict().items()}
    with pytest.raises(chainrule.StateError) as caught:
        one.load_state_dict(state)
    assert words in str(caught.value)
