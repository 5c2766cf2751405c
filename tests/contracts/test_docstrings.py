"""The docstring that counts is that of a component itself, be it a class or a function that makes one."""

import dataclasses
from types import SimpleNamespace

import pytest

from chainrule.formulas import docstring_of
from chainrule.optimizers import sgd
from chainrule.testing import CHECKS, docstrings, run, subject


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


@dataclasses.dataclass
class Signed:
    """Signed."""


def test_the_signature_that_a_dataclass_has_for_a_docstring_is_none():
    assert Inherits.__doc__.startswith("Inherits(*, lr: ")
    assert [docstring_of(each) for each in (Inherits, undocumented, Signed, Signed())] == ["", "", "Signed.", "Signed."]


def test_where_python_strips_docstrings_the_check_on_them_is_skipped(monkeypatch):
    monkeypatch.setattr(docstrings, "sys", SimpleNamespace(flags=SimpleNamespace(optimize=2)))
    (check,) = [one for one in CHECKS if one.name == "rule_documents_its_formula"]
    result = run(subject(Inherits), check)
    assert (result.outcome, result.detail) == ("skipped", "Python strips docstrings with -OO or PYTHONOPTIMIZE=2")
