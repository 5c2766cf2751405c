"""What an error advises would help, and does not deny what was written."""

import pytest
import torch

import chainrule
from chainrule import ChainruleError, hyperparameter, param_groups, random_stream
from chainrule.callbacks import best
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.metrics import accuracy
from chainrule.optimizers import adam, ema, sgd

X, Y = torch.randn(6, 2), torch.randn(6, 1)


def fit(**settings):
    return chainrule.fit(linear(2, 1).build(), mse(), sgd(), **{"train": (X, Y), **settings})


def step(x, y):
    return chainrule.training_step(linear(2, 1).build(), mse(), sgd())(x, y)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: param_groups(weights=adam()), 'param_groups: takes no argument "weights". It takes groups.'),
        (lambda: param_groups(), "param_groups: needs groups, got none. Write param_groups(groups)."),
        (lambda: param_groups({"*": {}}), "must have an optimizer, got {}. Pass one of chainrule.optimizers, such as"),
        (lambda: ema(inner={"*": adam()}), 'Wrap each rule: param_groups({"*": ema(inner=adam())}).'),
        (lambda: ema(inner=param_groups({"*": adam()})), 'Wrap each rule: param_groups({"*": ema(inner=adam())}).'),
        (lambda: ema(inner={"name": "adam", "lr": 0.1}), "got {'name': 'adam', 'lr': 0.1}. Write adam(lr=0.1)."),
        (lambda: ema(inner={"name": "x", "*": adam()}), 'Wrap each rule: param_groups({"*": ema(inner=adam())}).'),
        (lambda: param_groups({"name": "adam"}), "optimizers by pattern, got {'name': 'adam'}. Write adam()."),
        (lambda: linear(2, 1).build().load_random_state(None), "got None. Pass what random_state() returned."),
        (lambda: linear(2, 1).build()[0], "network: takes no index, got 0. The layers are network.modules(), a member"),
        (lambda: list(linear(2, 1).build()), "network: takes no index, got 0. The layers are network.modules(), a mem"),
        (lambda: sequential(linear(2, 1))[0], "sequential: takes no index, got 0. The modules are in sequential.modul"),
        (lambda: linear(2, 1).build().freeze(), 'freeze: needs a pattern, got none. Write freeze("weight").'),
        (lambda: linear(2, 1).build().unfreeze(), 'unfreeze: needs a pattern, got none. Write unfreeze("weight").'),
        (lambda: fit(epochs="3"), "epochs must be an integer of at least 0, got '3'. Pass 3."),
        (lambda: fit(epochs=2.0), "epochs must be an integer of at least 0, got 2.0. Pass 2."),
        (lambda: fit(epochs=-1), "epochs must be an integer of at least 0, got -1. Pass 1, for example."),
        (lambda: fit(epochs=float("inf")), "epochs must be an integer of at least 0, got inf. Pass 1, for example."),
        (lambda: fit(batch_size="many"), "must be an integer of at least 1, got 'many'. Pass 1, for example."),
        (lambda: fit(batch_size="0"), "must be an integer of at least 1, got '0'. Pass 1, for example."),
        (lambda: linear(10**30, 1), "Parameter: a tensor must have at most 9223372036854775807 elements, got [1, 10"),
        (
            lambda: linear(2**30, 2**30).build(),
            "build: parameters and gradients must fit into the memory of cpu, got 11",
        ),
        (
            lambda: linear(2, 1).build(members=10**15),
            "build: members must be as many as memory has room for, got 10000",
        ),
        (
            lambda: linear(2, 1).build(members=10**30),
            "build: members must be as many as memory has room for, got 10000",
        ),
        (lambda: linear(2, 1).build(seeds=range(10**15)), "build: seeds must be as many as memory has room for, got 1"),
        (lambda: adam(schedule=torch.nn.ReLU()), "schedule must be a callable t -> factor, got ReLU of torch.nn."),
        (lambda: best(restore="no"), "best: restore must be True or False, got 'no'."),
        (lambda: hyperparameter(default=1.0, at_least="0"), "hyperparameter: at_least must be a number, got '0'."),
        (lambda: hyperparameter(default=1.0, below=float("nan")), "hyperparameter: below must be a number, got nan."),
        (lambda: hyperparameter(default=1.0, search=0.1), "search must be a tuple of two numbers, got 0.1."),
        (lambda: hyperparameter(default=1.0, search=[1, 2]), "search must be a tuple of two numbers, got [1, 2]."),
        (lambda: hyperparameter(default=1.0, search=(0.1, "1")), "each end of search must be a number, got '1'."),
        (lambda: random_stream(0, "rows", 3), "random_stream: name must be text, got 3. Pass str(…) of it."),
        (lambda: random_stream(0, object()), "random_stream: purpose must be text, got an object."),
        (lambda: sgd().attach(linear(2, 1).build()).set_lr(0.1, group=["*"]), "group must be one of ['*'], got ['*']."),
        (lambda: linear(2, 1).build(seeds=b"01"), "build: seeds must be a sequence of integers, one for each member,"),
        (lambda: fit(per_member=True), "fit: per_member must be False for a single network, got True. Leave it out,"),
        (lambda: step(X, Y[:3]), "step: x and y must have the same rows, got (6, 2) and (3, 1). Pair each row of x"),
        (lambda: accuracy()(X, Y[:3, 0]), "must have the same rows, at least one, got (6, 2) and (3,). Pair each"),
        (lambda: accuracy()(X.to_sparse(), X[:, 0]), "prediction must be dense, got layout torch.sparse_coo."),
        (lambda: accuracy()(X, X[:, 0].to("meta")), "accuracy: target must be on cpu, got a tensor on meta."),
    ],
)
def test_it_names_what_was_meant(mistake, words):
    with pytest.raises(ChainruleError) as caught:
        mistake()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_metric_of_an_ensemble_shows_its_members():
    prediction = linear(2, 2).build(seeds=[0, 1])(X)
    with pytest.raises(ChainruleError, match=r"got \(2, 6, 2\) and \(3,\) of an ensemble\. Pair each"):
        accuracy()(prediction, torch.zeros(3).long())
