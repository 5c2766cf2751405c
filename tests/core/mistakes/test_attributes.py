"""An attribute that nothing would read is not set in silence."""

import copy
import pickle

import pytest
import torch

import chainrule
from chainrule import ChainruleError, Module, Parameter, hookimpl, param_groups
from chainrule.errors import FrozenSettingError, UnknownAttributeError
from chainrule.initializers import zeros
from chainrule.layers import dropout, linear
from chainrule.losses import mse
from chainrule.optimizers import adam, sgd

X, Y = torch.randn(10, 2), torch.randn(10, 1)


def history():
    return chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y))


MAKE = {
    "network": lambda: linear(2, 1).build(),
    "ensemble": lambda: linear(2, 1).build(seeds=range(2)),
    "updater": lambda: sgd().attach(linear(2, 1).build()),
    "step": lambda: chainrule.training_step(linear(2, 1).build(), mse(), sgd()),
    "history": history,
    "groups": lambda: param_groups({"*": sgd()}),
    "parameter": lambda: linear(2, 1).weight,
    "buffer": lambda: chainrule.Buffer(2),
    "layer": lambda: linear(2, 1),
    "dropout": dropout,
    "loss": mse,
}


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        ("network", "frozne", 'network: has no "frozne". Did you mean "frozen"?'),
        ("network", "note", 'network: has no "note". Begin the names of your own attributes with an underscore.'),
        ("network", "weight", "The layers are in network.module, the parameters in named_parameters()."),
        (
            "network",
            "training",
            "network: training must not be assigned, got 0. Write network.train(), or network.eval().",
        ),
        ("network", "seeds", "network: seeds must not be assigned, got 0. Build another network"),
        ("network", "dtype", "network: dtype must not be assigned, got 0. Build another network"),
        ("network", "module", "network: module must not be assigned, got 0. Change it before build"),
        ("network", "train", "network: train must not be assigned, got 0."),
        ("ensemble", "members", "network: members must not be assigned, got 0. Build another network"),
        ("updater", "weight_decay", 'updater: has no "weight_decay".'),
        ("updater", "lr", "updater.set_lr(0.1) changes it."),
        ("updater", "groups", "updater: groups must not be assigned, got 0. Attach another"),
        ("step", "lr", 'network_step: has no "lr".'),
        ("step", "updater", "network_step: updater must not be assigned, got 0. Make another"),
        ("history", "updatr", 'history: has no "updatr". Did you mean "updater"?'),
        ("groups", "group", 'param_groups: has no "group". Did you mean "groups"?'),
        ("parameter", "requires_grad", 'Keep it out of training with network.freeze("*.bias").'),
        ("buffer", "persistant", 'buffer: has no "persistant". Did you mean "persistent"?'),
        ("layer", "trainable", 'linear: has no "trainable". Did you mean "train"?'),
        ("dropout", "rate", 'dropout: has no "rate". Begin the names'),
        ("loss", "reduce", 'mse: has no "reduce".'),
    ],
)
def test_an_attribute_that_nothing_reads_is_answered(owner, name, words):
    with pytest.raises((FrozenSettingError, UnknownAttributeError)) as caught:
        setattr(MAKE[owner](), name, 0)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("owner", MAKE)
def test_attributes_of_ones_own_begin_with_an_underscore(owner):
    one = MAKE[owner]()
    one._mine = 3
    assert one._mine == 3


@pytest.mark.parametrize("owner", ["network", "ensemble", "updater", "step", "history"])
def test_such_objects_are_copied_and_pickled(owner):
    for copied in (copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))):  # noqa: S301 - our own
        other = copied(MAKE[owner]())
        with pytest.raises(UnknownAttributeError):
            other.note = 0


def test_what_a_method_of_a_module_reads_may_be_set_later():
    class Scaled(Module):
        def forward(self, x):
            return x * self.factor if hasattr(self, "factor") else x

        def backward(self, grad_output):
            return grad_output

    module = Scaled()
    module.factor = 3
    assert torch.equal(module.build()(X), 3 * X)
    with pytest.raises(UnknownAttributeError):
        module.faktor = 3


def test_the_frozen_parameters_are_assigned_by_their_names():
    network = linear(2, 1).build()
    network.frozen = {"weight"}
    assert network.frozen == {"weight"}
    for wrong in ("weight", ["weigth"], 1, [1]):
        network.frozen = set()
        if wrong != "weight":
            with pytest.raises(ChainruleError, match="network: frozen must be a set of names of parameters, got"):
                network.frozen = wrong


@pytest.mark.parametrize("wrong", [-1.0, 0, "a", True, float("nan")])
def test_the_norm_to_clip_to_is_checked_when_it_is_assigned(wrong):
    updater = sgd().attach(linear(2, 1).build())
    updater.clip_norm = 2
    assert updater.clip_norm == 2
    with pytest.raises(ChainruleError, match=r"^updater: clip_norm must be a number above 0, got"):
        updater.clip_norm = wrong
    assert updater.clip_norm == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stoped", 'Did you mean "stopped"?'),
        ("lr", r"or run\.updater\.set_lr"),
        ("stop_training", r"Write run\.stop\(\)\."),
        ("should_stop", r"Write run\.stop\(\)\."),
        ("loss", "run: loss must not be assigned"),
    ],
)
def test_a_note_on_the_run_is_no_misspelt_attribute(name, words):
    class Misspelling:
        @hookimpl
        def chainrule_epoch_end(self, run):
            setattr(run, name, True)

    with pytest.raises(ChainruleError, match=words.replace("?", r"\?")):
        chainrule.fit(linear(2, 1).build(), mse(), adam(), train=(X, Y), callbacks=[Misspelling()])


def test_a_parameter_that_is_declared_takes_another_initializer_before_it_is_built():
    layer = linear(2, 1)
    layer.weight.init = zeros()
    assert not layer.build().state_dict()["weight"].any()
    assert isinstance(layer.weight, Parameter)
