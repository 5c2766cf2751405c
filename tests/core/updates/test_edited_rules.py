"""A rule that was edited while its class stays, as in a notebook, is applied as it is now."""

import types

import pytest
import torch
from torch.testing import assert_close

from chainrule import Optimizer
from chainrule.layers import linear
from chainrule.updates import fused_rule
from chainrule.updates.watching import is_elementwise

helpers = types.ModuleType("helpers")
helpers.scaled = lambda grad: grad
times = 1.0


def direction_of(grad):
    return helpers.scaled(grad) * times


def twice(grad):
    return 2 * grad


def normalized(grad):
    return grad / grad.norm()


class Rule(Optimizer):
    lr: float = 1.0

    def update(self, parameter, grad, state, step):
        return direction_of(grad)


class PerParameter(Rule):
    ranks = (1, 2)


EDITS = {
    "a method": (Rule, "update", lambda self, parameter, grad, state, step: 2 * grad),
    "the code of a method": (Rule.update, "__code__", (lambda self, parameter, grad, state, step: 2 * grad).__code__),
    "a function": (None, "direction_of", twice),
    "a constant": (None, "times", 2.0),
    "a function of a module": (helpers, "scaled", twice),
}


def edit(monkeypatch, owner, name, value):
    if owner is None:
        monkeypatch.setitem(globals(), name, value)
    else:
        monkeypatch.setattr(owner, name, value)


def step_of(rule, seeds):
    network = linear(3, 2).build(seeds=seeds, dtype=torch.float64)
    before = network.flat.data.clone()
    network.flat.grad.fill_(1.0)
    rule.attach(network).step()
    return before - network.flat.data


@pytest.mark.parametrize("what", EDITS)
@pytest.mark.parametrize("rule", [Rule(), PerParameter()], ids=repr)
def test_the_next_attachment_applies_the_edited_rule(rule, what, monkeypatch):
    before = step_of(rule, [0, 1, 2])
    edit(monkeypatch, *EDITS[what])
    assert_close(step_of(rule, [0, 1, 2]), 2 * before)


def test_a_norm_that_comes_in_later_is_found(monkeypatch):
    assert is_elementwise(Rule())
    monkeypatch.setattr(helpers, "scaled", normalized)
    assert not is_elementwise(Rule())


@pytest.mark.parametrize("what", EDITS)
def test_a_fused_kernel_is_made_anew_for_an_edited_rule_alone(what, monkeypatch):
    kernels = []
    monkeypatch.setattr(torch, "compile", lambda kernel, **_: kernels.append(kernel) or kernel)
    network = linear(3, 2).build()
    fused_rule._kernel.cache_clear()
    for _ in range(2):
        fused_rule.FusedRule(Rule(), network.flat.data, network.flat.grad, {})
    assert len(kernels) == 1
    edit(monkeypatch, *EDITS[what])
    fused_rule.FusedRule(Rule(), network.flat.data, network.flat.grad, {})
    assert len(kernels) == 2
    fused_rule._kernel.cache_clear()  # of functions that were not compiled
