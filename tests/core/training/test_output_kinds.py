"""Fit warns where a loss makes probabilities of what are probabilities already."""

import warnings

import pytest
import torch

import chainrule
from chainrule import ModuleLike, get
from chainrule.activations import log_softmax, relu, sigmoid, softmax
from chainrule.layers import linear, residual, sequential
from chainrule.losses import bce, bce_with_logits, cross_entropy, dice, focal, kl_div, mse
from chainrule.metrics import binary_accuracy, f1, precision, recall
from chainrule.optimizers import sgd
from tests.built_ins import BUILT_IN

X, LABELS, SHARES = torch.randn(6, 2), torch.randint(2, (6,)), torch.rand(6, 2).softmax(1)

FAULTS = [
    (softmax(), cross_entropy(), LABELS, "cross_entropy takes scores, but the network ends in softmax, which gives"),
    (sequential(relu(), softmax()), cross_entropy(), LABELS, "Leave softmax out, since the loss makes probabilities"),
    (sigmoid(), cross_entropy(), LABELS, "cross_entropy takes scores, but the network ends in sigmoid"),
    (sigmoid(), bce_with_logits(), SHARES, "bce_with_logits takes scores, but the network ends in sigmoid"),
    (sigmoid(), focal(), SHARES, "focal takes scores, but the network ends in sigmoid"),
    (softmax(), kl_div(), SHARES, "kl_div takes log-probabilities, but the network ends in softmax"),
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


@pytest.mark.parametrize(
    ("last", "loss", "target"),
    [
        (softmax(), mse(), SHARES),
        (sigmoid(), bce(), SHARES),
        (log_softmax(), cross_entropy(), LABELS),
        (log_softmax(), kl_div(), SHARES),
        (residual(sigmoid()), bce_with_logits(), SHARES),
        (sequential(sigmoid(), linear(2, 2)), cross_entropy(), LABELS),
    ],
)
def test_what_fits_is_not_warned_of(last, loss, target):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chainrule.fit(network(last), loss, sgd(), train=(X, target))


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
