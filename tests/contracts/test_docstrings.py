"""The docstring that counts is that of a component itself, be it a class or a function that makes one."""

import pytest

from chainrule.optimizers import sgd
from chainrule.testing import CHECKS, run, subject


def nesterov(lr: float = 0.1):
    """Gradient descent that looks ahead.

    Update:   ``b ← momentum b + g``; ``θ ← θ − lr (g + momentum b)``
    Variant:  Nesterov's momentum without dampening
    Source:   Sutskever et al. 2013
    """
    return sgd(lr=lr, momentum=0.9, nesterov=True)


def undocumented(lr: float = 0.1):
    return nesterov(lr)


class Inherits(sgd):
    pass


@pytest.mark.parametrize(
    ("component", "outcome"), [(nesterov, "passed"), (undocumented, "failed"), (sgd, "passed"), (Inherits, "failed")]
)
def test_it_has_the_sections_of_its_kind(component, outcome):
    (check,) = [one for one in CHECKS if one.name == "rule_documents_its_formula"]
    assert run(subject(component, kind="optimizers"), check).outcome == outcome
