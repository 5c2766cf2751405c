"""Fit warns where a loss makes probabilities of what are probabilities already."""

import warnings

import pytest
import torch

import chainrule
from chainrule import ModuleLike, get
from chainrule.activations import identity, log_softmax, relu, sigmoid, softmax
from chainrule.layers import flatten, linear, residual, sequential, transpose, unflatten
from chainrule.losses import (
    bce,
    bce_with_logits,
    cross_entropy,
    dice,
    focal,
    hinge,
    kl_div,
    mse,
    multi_margin,
    soft_margin,
)
from chainrule.metrics import binary_accuracy, f1, precision, recall
from chainrule.optimizers import sgd
from chainrule.registry import load
from tests.built_ins import BUILT_IN

X, LABELS, SHARES = torch.randn(6, 2), torch.randint(2, (6,)), torch.rand(6, 2).softmax(1)
SIGNS = X.sign()

FAULTS = [
    (softmax(), cross_entropy(), LABELS, "cross_entropy takes scores, but the network ends in softmax, which gives"),
    (sequential(relu(), softmax()), cross_entropy(), LABELS, "Leave softmax out, so that the loss has the scores"),
    (sigmoid(), cross_entropy(), LABELS, "cross_entropy takes scores, but the network ends in sigmoid"),
    (sigmoid(), bce_with_logits(), SHARES, "bce_with_logits takes scores, but the network ends in sigmoid"),
    (sigmoid(), focal(), SHARES, "focal takes scores, but the network ends in sigmoid"),
    (sigmoid(), hinge(), SIGNS, "hinge takes scores, but the network ends in sigmoid"),
    (sigmoid(), soft_margin(), SIGNS, "soft_margin takes scores, but the network ends in sigmoid"),
    (softmax(), multi_margin(), LABELS, "multi_margin takes scores, but the network ends in softmax"),
    (sequential(softmax(), identity()), cross_entropy(), LABELS, "the network ends in softmax"),
    (sequential(softmax(), unflatten(1, (2, 1)), flatten()), cross_entropy(), LABELS, "the network ends in softmax"),
]


def network(last: ModuleLike) -> chainrule.Network:
    return sequential(linear(2, 2), last).build()


@pytest.mark.parametrize(("last", "loss", "target", "words"), FAULTS)
def test_probabilities_in_the_place_of_scores_are_warned_of(last, loss, target, words):
    with pytest.warns(UserWarning, match=f"^fit: .*{words}") as caught:
        chainrule.fit(network(last), loss, sgd(), train=(X, target))
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=f"^training_step: .*{words}"):
        chainrule.training_step(network(type(last)(*getattr(last, "modules", ()))), loss, sgd())
    with pytest.warns(UserWarning, match=f"^evaluate: .*{words}") as caught:
        chainrule.evaluate(network(type(last)(*getattr(last, "modules", ()))), loss, (X, target))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("last", "loss", "target"),
    [
        (softmax(), mse(), SHARES),
        (sigmoid(), bce(), SHARES),
        (log_softmax(), cross_entropy(), LABELS),
        (log_softmax(), kl_div(), SHARES),
        (residual(sigmoid()), bce_with_logits(), SHARES),
        (sequential(sigmoid(), linear(2, 2)), cross_entropy(), LABELS),
        (sequential(unflatten(1, (2, 1)), flatten()), cross_entropy(), LABELS),
    ],
)
def test_what_fits_is_not_warned_of(last, loss, target):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chainrule.fit(network(last), loss, sgd(), train=(X, target))


def test_probabilities_in_the_place_of_their_logarithms_are_warned_of():
    words = "kl_div takes log-probabilities, but the network ends in softmax"
    with pytest.warns(UserWarning, match=f"^training_step: {words}"):
        chainrule.training_step(network(softmax()), kl_div(), sgd())


def test_probabilities_of_positions_are_warned_of_behind_a_transposition():
    positions, labels = torch.randn(6, 3, 2), torch.randint(2, (6, 3))
    with pytest.warns(UserWarning, match="the network ends in softmax"):
        chainrule.evaluate(network(sequential(softmax(), transpose(1, 2))), cross_entropy(), (positions, labels))


def test_dice_takes_scores_if_it_is_told_to():
    assert dice(from_logits=True).takes == "scores"
    assert dice().takes == "any"


def test_code_without_a_module_is_warned_too():
    last, loss, target, words = FAULTS[0]
    around = {"fit": chainrule.fit, "given": (network(last), loss, sgd()), "train": (X, target)}
    with pytest.warns(UserWarning, match=words):
        exec("fit(*given, train=train)", around)  # noqa: S102 - as a server of code may


@pytest.mark.parametrize("name", [one.name for one in BUILT_IN if one.kind == "activations"])
def test_an_activation_gives_probabilities_if_its_outputs_are_from_0_to_1(name):
    module, shape = get("activations", name).examples()[0]
    y = module.build()(20 * torch.randn(200, *shape))
    assert (module.gives == "probabilities") == bool((y >= 0).all() and (y <= 1).all())


LIKE_INPUTS = [one for one in BUILT_IN if getattr(load(one), "gives", "any") == "same"]


@pytest.mark.parametrize("record", LIKE_INPUTS, ids=lambda one: one.name)
def test_what_gives_the_same_keeps_numbers_from_0_to_1(record):
    for module, shape in load(record).examples():
        y = module.build()(torch.rand(20, *shape))
        assert bool((y >= 0).all() and (y <= 1).all())


@pytest.mark.parametrize("loss", [hinge(), soft_margin()], ids=repr)
def test_a_threshold_of_probabilities_beside_a_loss_of_signed_labels_is_warned_of(loss):
    with pytest.warns(UserWarning, match=f"but {chainrule.label(loss)} for a score"):
        chainrule.evaluate(linear(2, 1).build(), loss, (X, SIGNS[:, :1]), metrics=[binary_accuracy])


@pytest.mark.parametrize("metric", [binary_accuracy, precision, recall, f1])
def test_a_threshold_of_probabilities_beside_a_loss_of_scores_is_warned_of(metric):
    y = LABELS.double().float().unsqueeze(1)
    settings = {"train": (X, y), "metrics": [metric]}
    words = f"{chainrule.label(metric)} takes the network's output for a probability, but bce_with_logits for a score"
    with pytest.warns(UserWarning, match=f"^fit: {words}") as caught:
        chainrule.fit(linear(2, 1).build(), bce_with_logits(), sgd(), **settings)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=f"^evaluate: {words}") as caught:
        chainrule.evaluate(linear(2, 1).build(), bce_with_logits(), (X, y), metrics=[metric])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chainrule.fit(linear(2, 1).build(), bce_with_logits(), sgd(), **{**settings, "metrics": [metric(threshold=0)]})
        chainrule.fit(sequential(linear(2, 1), sigmoid()).build(), bce(), sgd(), **settings)
        if metric is not binary_accuracy:
            chainrule.fit(linear(2, 2).build(), cross_entropy(), sgd(), train=(X, LABELS), metrics=[metric])
