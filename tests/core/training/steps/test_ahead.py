"""The numbers of coming steps are those that the updater gives one step after the other."""

import numpy as np
import pytest
import torch

import chainrule
from chainrule import Optimizer
from chainrule.base.step import Due
from chainrule.layers import linear, sequential
from chainrule.optimizers import adam, lookahead
from chainrule.training.steps.ahead import numbers_ahead
from chainrule.updates.clock import Clock


def fall(t):
    return 1 / t


class Counts(Optimizer):
    """A rule whose scalars are numpy's numbers, or have another name from step 4 on."""

    renames: bool = False

    def scalars(self, t):
        return {"late" if self.renames and t >= 4 else "early": np.float64(1) / t}

    def update(self, parameter, grad, state, step):
        return grad


RULES = {
    "adam": adam(lr=0.1),
    "a schedule": adam(lr=0.1, schedule=fall),
    "numbers of each member": adam(lr=torch.tensor([0.1, 0.2]), betas=(torch.tensor([0.8, 0.9]), 0.99)),
    "a rule that steps less often": lookahead(inner=adam(lr=0.1, schedule=fall), k=3),
    "numbers of numpy": Counts(lr=0.1),
    "two rules": {"*.weight": adam(lr=0.1), "*.bias": Counts(lr=0.2)},
}


def updater_of(rule):
    network = sequential(linear(3, 5), linear(5, 2)).build(seeds=[0, 1])
    network.freeze("1.weight")
    attachable = chainrule.param_groups(rule) if isinstance(rule, dict) else rule
    updater = attachable.attach(network)
    for _ in range(2):
        updater.apply(updater.advance())
    network.unfreeze("1.weight")  # which counts its own steps from now on
    return updater


def numbers_of(moments):
    distinct = {id(moment): moment for moment in moments}.values()
    return [value for moment in distinct for value in (moment.t, moment.lr, *moment.scalars.values())]


def following(updater, recorded, steps):
    return [list(numbers) for numbers in numbers_ahead(updater, recorded, steps)]


@pytest.mark.parametrize("name", RULES)
def test_the_numbers_of_coming_steps_are_those_of_the_steps(name):
    updater = updater_of(RULES[name])
    recorded = updater.advance()
    found, counted = following(updater, recorded, 7), updater.t
    expected = [numbers_of(updater.advance()) for _ in range(7)]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert counted == 3


def test_they_end_before_a_step_of_other_operations():
    """The last rule has taken two steps fewer, and counts its own."""
    updater = updater_of(adam(lr=0.1))
    recorded = updater.advance()
    recorded[-1].due = Due(updater.t)
    assert recorded[-1].due[4, 0] is False
    assert [numbers[0] for numbers in following(updater, recorded, 7)] == [4, 5]
    recorded[0].due = Due(updater.t)
    assert recorded[0].due[4, 0] is False
    assert len(following(updater, recorded, 7)) == 0


def test_they_end_before_scalars_of_other_names():
    updater = updater_of({"*.weight": adam(lr=0.1), "*.bias": Counts(renames=True)})
    updater.t = 0
    recorded = updater.advance()
    assert [numbers[0] for numbers in following(updater, recorded, 7)] == [2, 3]


def rates(t):
    return torch.tensor([1.0, 0.5]) if t >= 6 else 1.0


def test_they_end_before_a_number_becomes_one_for_each_member():
    updater = updater_of(adam(lr=0.1, schedule=rates))
    recorded = updater.advance()
    assert [numbers[0] for numbers in following(updater, recorded, 7)] == [4, 5]
    updater.t = 5
    recorded = updater.advance()
    assert len(following(updater, recorded, 7)) == 7


def test_no_moment_is_made_for_a_coming_step(monkeypatch):
    """A moment takes longer than a whole step of a small network."""
    updater = updater_of(adam(lr=0.1, schedule=fall))
    recorded = updater.advance()
    monkeypatch.setattr(Clock, "at", None)
    assert len(following(updater, recorded, 7)) == 7
