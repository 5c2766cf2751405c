"""A call that does not fit, an attribute that does not exist or another library's object is answered with what does."""

import copy
import inspect
import pickle
from collections import OrderedDict

import pytest
import torch

import chainrule
from chainrule import ChainruleError, ContractError, Parameter, param_groups
from chainrule.activations import relu
from chainrule.callbacks import csv
from chainrule.calls import explain_construction_of_any
from chainrule.initializers import constant, he_normal
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, ema, sgd
from chainrule.tasks import circle
from chainrule.testing import checks_of

X, Y = torch.randn(10, 2), torch.randn(10, 1)
NETWORK = linear(2, 1).build()
SPLITS = chainrule.Splits((X, Y), (X, Y), (X, Y))
THEIRS = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU())
THEIR_RULE = torch.optim.Adam(THEIRS.parameters())


def fit(network=NETWORK, loss=None, optimizer=None, **settings):
    return chainrule.fit(network, loss or mse(), optimizer or sgd(), **{"train": (X, Y), **settings})


def answers(mistake, words):
    with pytest.raises(ChainruleError) as caught:
        mistake()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert " at 0x" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: adam(learning_rate=0.1), 'adam: takes no argument "learning_rate". Did you mean "lr"?'),
        (lambda: adam(epsilon=1e-8), 'Did you mean "eps"?'),
        (lambda: adam(amsgrad=True), "It takes lr, schedule, betas and eps."),
        (lambda: adam(0.1), "adam: takes arguments by name, got 0.1. Write adam(lr=…)."),
        (lambda: adam(NETWORK.parameters(), lr=0.1), "It gets a network by attach(network), or from fit."),
        (lambda: ema(adam()), "Write ema(inner=…)."),
        (lambda: linear(2), "linear: needs out_features, got none. Write linear(in_features, out_features)."),
        (lambda: linear(in_features=2, out=3), 'Did you mean "out_features"?'),
        (lambda: linear(2, 3, False), "Pass the others by name: bias, weight_init, bias_init."),
        (lambda: linear(2, 3, in_features=2), 'linear: takes "in_features" once, got it by position and by name.'),
        (
            lambda: chainrule.Splits((X, Y), (X, Y)),
            "Splits: needs test, got none. Write Splits(train, validation, test).",
        ),
        (
            lambda: chainrule.Splits((X, Y), val=(X, Y), test=(X, Y)),
            'takes no argument "val". Did you mean "validation"?',
        ),
        (lambda: relu(X), "relu: takes no arguments, got a tensor (10, 2). A module is called once it is built"),
        (lambda: sequential(modules=[relu()]), 'sequential: takes no named arguments, got "modules".'),
        (lambda: he_normal(gian=1), 'he_normal: takes no argument "gian". Did you mean "gain"?'),
        (lambda: constant(), "constant: needs value, got none. Write constant(value)."),
        (lambda: mse(X, Y), "Make the loss first: loss = mse(), then loss(prediction, target)."),
        (lambda: mse(reductoin="sum"), 'Did you mean "reduction"?'),
        (
            lambda: Parameter(3, ini=None, fan_in=1, fan_out=1),
            'Parameter: takes no argument "ini". Did you mean "init"?',
        ),
        (lambda: NETWORK(X, (X, X)), "network: takes by position x, got 2, from "),
        (lambda: NETWORK(X, X, X), "Its input is one tensor."),
        (lambda: NETWORK(X, mask=X), 'network: takes no argument "mask". It takes x and per_member.'),
        (lambda: linear(2, 1).build(sede=1), 'build: takes no argument "sede". Did you mean "seed"?'),
        (lambda: fit(validation_data=(X, Y)), 'fit: takes no argument "validation_data". Did you mean "validation"?'),
        (lambda: chainrule.fit(NETWORK, mse(), sgd()), "fit: needs train, got none."),
        (lambda: chainrule.evaluate(NETWORK, mse(), X, Y), "evaluate: takes by position network, loss and data, got 4"),
        (lambda: sgd.attach(NETWORK), "got the class. Call the class first: NAME(…).attach(…)."),
        (lambda: sgd().attach(NETWORK, max_norm=1), 'attach: takes no argument "max_norm".'),
        (lambda: chainrule.create("optimizers", "adam", learning_rate=1), 'Did you mean "lr"?'),
        (lambda: chainrule.create("adam"), "create: needs name, got none. Write create(kind, name)."),
    ],
)
def test_a_call_that_does_not_fit_says_what_does(mistake, words):
    assert isinstance(answers(mistake, words), TypeError)


def test_signatures_stay_those_of_the_constructors():
    assert list(inspect.signature(linear).parameters) == [
        "in_features",
        "out_features",
        "bias",
        "weight_init",
        "bias_init",
    ]
    assert not inspect.signature(relu).parameters
    assert "train" in inspect.signature(chainrule.fit).parameters


def test_an_error_inside_a_call_that_fits_stays_what_it_is():
    class Broken(chainrule.Module):
        def __init__(self, size):
            len(size)

        def forward(self, x):
            return x

        backward = forward

    with pytest.raises(TypeError, match="has no len") as caught:
        Broken(3)
    assert not isinstance(caught.value, ChainruleError)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: NETWORK.cuda(), 'network: has no "cuda". Build another with build(device="cuda"'),
        (lambda: NETWORK.sumary(), 'network: has no "sumary". Did you mean "summary"?'),
        (lambda: NETWORK.predict(X), "Call it: network.eval()(x), or in training network(x)."),
        (lambda: NETWORK.forward(X), "Call it: network.eval()(x), or in training network(x)."),
        (lambda: linear(2, 1).predict(X), "network = module.build(seed=0), network.eval()(x)."),
        (lambda: NETWORK.copy(), "Write copy.deepcopy(network)."),
        (lambda: NETWORK.evaluate(X), "Write chainrule.evaluate(network, loss, (x, y))."),
        (lambda: NETWORK.load("a.pt"), "Write network.load_state_dict(torch.load(path))."),
        (lambda: NETWORK.grad, "All gradients are in network.flat.grad"),
        (lambda: NETWORK.draw(), "so does chainrule draw FILE.py:NAME."),
        (lambda: sequential(linear(2, 1)).append(relu()), "Modules are given at once: sequential("),
        (lambda: linear(2, 1).fit(X), "Write chainrule.fit(module.build(seed=0), loss, optimizer"),
        (lambda: NETWORK.parameters()[0].requires_grad, 'Keep it out of training with network.freeze("*.bias").'),
        (lambda: linear(2, 1).state_dict(), "linear: has no"),
        (lambda: linear(2, 1).compile(), 'linear: has no "compile". Write chainrule.fit(…, compile=True).'),
        (lambda: sequential(relu()).layers, 'sequential: has no "layers". Write module.named_modules().'),
        (lambda: relu().named_parameters(), "The network has it, which build() returns."),
        (lambda: relu().clone(), "Write copy.deepcopy(module)."),
        (lambda: sgd().step(), "The updater has it: updater = optimizer.attach(network)."),
        (lambda: sgd().attach(NETWORK).zero_grad(), "Write network.zero_grad()."),
        (lambda: mse().to("cpu"), "A loss has no tensors; leave it out."),
        (lambda: fit().loss, 'Write history["train_loss"].'),
        (lambda: SPLITS.val, 'splits: has no "val". Did you mean "validation"?'),
    ],
)
def test_an_attribute_of_habit_is_answered_with_what_does_its_work(mistake, words):
    error = answers(mistake, words)
    assert isinstance(error, AttributeError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own


def test_splits_are_a_tuple_with_names():
    answers(lambda: SPLITS["train"], "splits: its pairs have names and numbers, got 'train'. Write splits.train, or")
    for other in (copy.deepcopy(SPLITS), pickle.loads(pickle.dumps(SPLITS)), SPLITS._replace(test=(X, X))):  # noqa: S301 - our own
        train, validation, _ = other
        assert isinstance(other, chainrule.Splits)
        assert torch.equal(other[0][1], train[1])
        assert torch.equal(validation[0], X)
    assert list(inspect.signature(chainrule.Splits).parameters) == ["train", "validation", "test"]


def test_a_curve_that_was_not_recorded_is_answered_with_those_that_were():
    history = fit()
    assert history.get("loss") is None
    error = answers(lambda: history["loss"], "history: no curve is called 'loss'. It has train_loss.")
    assert isinstance(error, KeyError)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (
            lambda: fit([NETWORK, NETWORK]),
            "Pass one at a time, or a single ensemble, which build(seeds=[0, 1]) returns.",
        ),
        (lambda: fit([linear(2, 1), relu()]), "Join them into one: sequential(linear(2, 1), relu()).build()."),
        (lambda: fit(THEIRS), "got Sequential of torch.nn. Write it with chainrule.layers and call build()"),
        (
            lambda: chainrule.create("optimizers", adam),
            "kind and name must be text, got 'optimizers' and the class Adam.",
        ),
        (lambda: chainrule.register("optimizers", adam), "register: kind and name must be text"),
        (lambda: fit(loss=torch.nn.MSELoss()), "got MSELoss of torch.nn. Pass one of chainrule.losses"),
        (lambda: fit(optimizer=THEIR_RULE), "got Adam of torch.optim. Pass one of chainrule.optimizers"),
        (lambda: fit(optimizer=adam), "got the class Adam. Did you forget to call it?"),
        (lambda: fit(optimizer={"*": adam()}), "Write chainrule.param_groups(…) around it."),
        (lambda: fit(optimizer={"name": "ema", "inner": {"name": "sgd"}}), "Write ema(inner=sgd())."),
        (lambda: fit(loss={"name": "huber", "delta": 2.0}), "Write huber(delta=2.0)."),
        (lambda: ema(inner=THEIR_RULE), "ema: inner must be an optimizer, got Adam of torch.optim."),
        (lambda: adam(schedule=torch.optim.lr_scheduler.StepLR(THEIR_RULE, 1)), "got StepLR of torch.optim."),
        (lambda: sequential(torch.nn.Linear(2, 3)), "sequential: position 0 must be a module, got Linear of torch.nn."),
        (lambda: sequential([linear(2, 3), relu()]), "Pass modules one by one: sequential(*modules)."),
        (lambda: sequential(linear(2, 3), relu), "got the class Relu. Did you forget to call it?"),
        (lambda: chainrule.Network(THEIRS), "network: module must be a module, got Sequential of torch.nn."),
        (lambda: linear(2, 1, weight_init=torch.nn.init.zeros_), "got the function zeros_. Pass one of chainrule.init"),
        (
            lambda: NETWORK.load_state_dict(THEIRS),
            "a dict by names, got Sequential of torch.nn. Pass its state_dict().",
        ),
        (lambda: NETWORK.freeze(["weight"]), "freeze: a pattern must be text, got ['weight']."),
        (lambda: sgd().attach(THEIRS), "attach: network must be a built network, got Sequential of torch.nn."),
        (lambda: sgd().attach(NETWORK).load_state_dict(None), "updater: a state must be a dict by names, got None."),
        (lambda: param_groups(adam()), "param_groups: takes a dict of optimizers by pattern"),
        (lambda: param_groups({"*": adam}), 'param_groups: "*" must have an optimizer, got the class Adam.'),
        (lambda: fit(callbacks=torch.tensor(1)), "fit: callbacks must be a list, got"),
        (lambda: fit(callbacks=object), "fit: callbacks must be a list, got the class object."),
        (lambda: linear(2, 1).build(device="gpu"), "build: device must be one that this machine and this torch have"),
        (lambda: linear(2, 1).build(dtype="float64"), "got 'float64'. Pass torch.float64."),
    ],
)
def test_an_object_of_another_kind_is_named_with_what_to_pass(mistake, words):
    answers(mistake, words)


def test_the_kit_knows_a_kind_in_the_singular_and_refuses_others():
    assert checks_of("optimizer") == checks_of("optimizers")
    answers(lambda: checks_of("optimiser"), 'No kind of component is called "optimiser".')


def test_values_of_several_lines_are_shown_on_one():
    assert str(ContractError(f"got {THEIRS}")) == "got Sequential( (0): " + str(THEIRS[0]) + " (1): ReLU() )"


def test_a_class_of_compiled_code_stays_as_it_is():
    explain_construction_of_any(OrderedDict)
    assert OrderedDict(a=1)["a"] == 1


@pytest.mark.parametrize("name", ["cls", "self"])
@pytest.mark.parametrize("make", [adam, mse, linear, circle, csv])
def test_no_name_is_taken_for_the_object(make, name):
    answers(lambda: make(**{name: 1}), f'"{name}".')


def test_a_parameter_without_initializer_keeps_its_shape():
    answers(lambda: Parameter(2, 3), "Write Parameter(*shape, init=…, fan_in=…, fan_out=…).")


def test_the_norm_to_clip_to_is_shown_as_it_was_passed():
    answers(lambda: fit(clip_norm=[1.0]), "clip_norm must be a number above 0, got [1.0].")
