"""A rule that was edited while its class stays, as in a notebook, is applied as it is now."""

import sys
import types
from pathlib import PurePath

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from chainrule import Optimizer
from chainrule.layers import linear
from chainrule.updates import fused_rule
from chainrule.updates.definition import definition
from chainrule.updates.watching import is_elementwise

helpers = types.ModuleType("helpers")
helpers.scaled = lambda grad: grad
helpers.constants = types.ModuleType("constants")
helpers.constants.helpers = helpers  # as where two modules import each other
helpers.constants.factor = 1.0
times = 1.0
names = {"times": 1.0}
space = types.SimpleNamespace(inner=types.SimpleNamespace(times=1.0))
numbers = np.ones(2)
tensor = torch.ones(())
function = torch.square


class Config:
    times = 1.0


class Factor:
    __slots__ = "times"  # as a name alone, which Python takes too

    def __init__(self):
        self.times = 1.0

    def __call__(self, grad):
        return grad * self.times * outer


class Scale:
    def __mul__(self, grad):
        return grad


def twice_by(scale, grad):
    return 2 * grad


def counted(grad):
    import helpers_imported_within

    return grad * counted.times * helpers_imported_within.times


counted.times = 1.0
within = sys.modules["helpers_imported_within"] = types.ModuleType("helpers_imported_within")
within.times = 1.0
factor, outer, lags, nested = Factor(), 1.0, range(1), [[1], [1, 1]]
pair, path = (1, 1), PurePath("a")
pairs = [pair]


def direction_of(grad):
    scale = names["times"] * space.inner.times * Config.times * float(numbers[0]) * helpers.constants.factor
    scaled = factor(helpers.scaled(function(grad))) * times * scale * tensor
    return counted(Scale() * scaled * (lags.stop * len(nested[0]) * len(pairs) * len(str(path))))


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
    "a constant of a module in a module": (helpers.constants, "factor", 2.0),
    "an item of a dict": (names, "times", 2.0),
    "an attribute of an object in an object": (space.inner, "times", 2.0),
    "an attribute of a class": (Config, "times", 2.0),
    "a slot of an object": (factor, "times", 2.0),
    "what an object uses that is called": (None, "outer", 2.0),
    "an element of an array": (numbers, 0, 2.0),
    "an operator of an object": (Scale, "__mul__", twice_by),
    "a range": (None, "lags", range(2)),
    "how lists are nested": (None, "nested", [[1, 1], [1]]),
    "an attribute of a function": (counted, "times", 2.0),
    "what a function imports": (within, "times", 2.0),
    "how often an object stands in a list": (None, "pairs", [pair, pair]),
    "an object of Python's own": (None, "path", PurePath("ab")),
    "a function of torch": (None, "function", torch.exp2),
    "a tensor": (None, "tensor", torch.tensor(2.0)),
}


def edit(monkeypatch, owner, name, value):
    owner = globals() if owner is None else owner
    if isinstance(owner, dict):
        monkeypatch.setitem(owner, name, value)
    elif isinstance(owner, np.ndarray):
        monkeypatch.setitem(globals(), "numbers", np.full(2, value))
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


class Odd(dict):
    """Raise for what is missing, as some configs do."""

    __slots__ = ("unset",)
    __getattr__ = dict.__getitem__

    def items(self):
        yield "times", self["times"]
        raise ValueError("a value is missing")


def test_what_cannot_be_read_whole_is_read_as_far_as_it_can(monkeypatch):
    monkeypatch.setitem(globals(), "names", Odd(times=1.0))
    before = definition(Rule())
    names["times"] = 2.0
    assert definition(Rule()) != before
