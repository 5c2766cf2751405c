"""Rules that the core runs in other ways are of another form, and the first of each form is found."""

import pytest

from chainrule import Optimizer
from tests.forms import METHODS, first_of_each_form, form


class Plain(Optimizer):
    def update(self, parameter, grad, state, step):
        return grad


class Doubled(Plain):
    def update(self, parameter, grad, state, step):
        return 2 * grad


@pytest.mark.parametrize(
    "declared",
    [
        {"elementwise": False},
        {"vmappable": False},
        {"ranks": (2,)},
        *({name: lambda *_: None} for name in METHODS if name != "update"),
    ],
    ids=lambda declared: next(iter(declared)),
)
def test_whatever_the_core_goes_by_makes_another_form(declared):
    other = type("Other", (Plain,), declared)
    assert form(other) != form(Plain)
    assert first_of_each_form([Plain, Doubled, other]) == {Plain, other}


def test_a_formula_makes_no_form():
    assert form(Doubled) == form(Plain)
    assert first_of_each_form([Doubled, Plain]) == {Doubled}
