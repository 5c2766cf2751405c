"""Test that no built-in rule hides a gradient that is not a number."""

import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import lion, rprop, signsgd, signum
from chainrule.registry import load
from chainrule.updates.watching import is_elementwise
from tests.built_ins import BUILT_IN

RULES = [one for record in BUILT_IN if record.kind == "optimizers" for one in load(record).examples()]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_nan_in_the_gradient_shows_in_the_parameters(rule):
    network = linear(3, 2, bias=False).build(seeds=[0, 1])
    updater = rule.attach(network)
    for t in range(6):
        for parameter in network.parameters():
            parameter.grad.fill_(1.0)
            if t == 2:
                parameter.grad[0].fill_(torch.nan)
        updater.step()
    weight = network.state_dict()["weight"]
    assert weight[0].isnan().any()
    assert weight[1].isfinite().all()


@pytest.mark.parametrize("rule", [lion(), rprop(), signsgd(), signum()], ids=repr)
def test_a_rule_of_signs_is_elementwise(rule):
    assert is_elementwise(rule)
