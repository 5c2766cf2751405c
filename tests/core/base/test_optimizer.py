import copy
import dataclasses

import pytest
import torch

from chainrule import ChainruleError, ContractError, HyperparameterError, Optimizer
from chainrule.layers import linear
from chainrule.optimizers import adam, sgd
from chainrule.schedules import constant


def test_equal_rules_have_equal_hashes():
    rule = sgd(lr=0.1, momentum=0.9)
    for other in (sgd(lr=0.1, momentum=0.9), copy.deepcopy(rule), dataclasses.replace(rule)):
        assert other == rule
        assert hash(other) == hash(rule)


def test_a_rule_is_frozen():
    class Mine(sgd):  # each subclass is a dataclass of its own
        pass

    for rule in (sgd(), Mine()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            rule.lr = 1.0
        with pytest.raises(dataclasses.FrozenInstanceError):
            del rule.lr
        with pytest.raises(dataclasses.FrozenInstanceError):
            rule.velocity = torch.zeros(1)


def test_an_assignment_to_a_rule_is_answered_with_where_to_make_the_change():
    with pytest.raises(
        ChainruleError, match=r"^sgd: .*assignment to lr\. Make another: sgd\(lr=…\)\. .*updater\.set_lr"
    ):
        sgd().lr = 1.0
    with pytest.raises(
        ChainruleError, match=r"^sgd: .*assignment to velocity\. .*state is kept in the dict from init\.$"
    ):
        sgd().velocity = torch.zeros(1)
    with pytest.raises(
        ChainruleError, match=r"^constant: .*assignment to factor\. Make another: constant\(factor=…\)\.$"
    ):
        constant(0.5).factor = 1.0


def test_settings_are_passed_by_name():
    with pytest.raises(TypeError):
        adam(0.1)


def test_rules_differ_by_class_and_by_every_field():
    class Mine(adam):
        pass

    assert adam() != Mine()
    assert adam(lr=0.1) != adam(lr=0.2)
    assert adam() != "adam"
    assert adam(lr=torch.tensor([0.1, 0.2])) == adam(lr=torch.tensor([0.1, 0.2]))
    assert adam(lr=torch.tensor([0.1, 0.2])) != adam(lr=torch.tensor([0.1, 0.3]))
    assert adam(lr=torch.tensor([0.1])) != adam(lr=0.1)
    assert sgd() != adam()


def test_replacing_a_field_checks_it():
    with pytest.raises(HyperparameterError, match=r"^sgd: momentum must be below 1, got 1\.5\."):
        dataclasses.replace(sgd(), momentum=1.5)


def test_a_rule_needs_an_update():
    class Empty(Optimizer):
        pass

    with pytest.raises(ContractError, match=r"^empty: a rule needs an update, got none\. Write "):
        Empty().attach(linear(1, 1).build()).step()
